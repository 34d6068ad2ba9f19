"""Mid fusion: the mean tokens of both streams side by side."""

from __future__ import annotations

import torch
from torch import Tensor

from varml.models.fusion.base import Classifier, Fusion, Tokens, fusions


@fusions.register("concat")
class Concat(Fusion):
    """One classifier over both mean tokens."""

    streams = ("rgb", "flow")

    def __init__(self, *, width: int, num_classes: int, num_heads: int, dropout: float) -> None:
        super().__init__(width=width, num_classes=num_classes, num_heads=num_heads, dropout=dropout)
        self.classifier = Classifier(2 * width, num_classes, dropout)

    def forward(self, tokens: Tokens) -> Tensor:
        """Return logits (see :class:`Fusion`)."""
        pooled = torch.cat([tokens[stream].mean(1) for stream in self.streams], dim=-1)  # (B, 2W)
        return self.classifier(pooled)
