"""Early fusion: the tokens of both streams look at each other in one stack of attention.

Nagrani et al., "Attention Bottlenecks for Multimodal Fusion", 2021, arXiv:2107.00135, compare it with later ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from varml.models.fusion.base import Classifier, Fusion, Tokens, fusions


@fusions.register("early")
class Early(Fusion):
    """The mean of both streams' mean tokens, classified; a stream of more steps weighs no more."""

    streams = ("rgb", "flow")
    shares_attention = True

    def __init__(self, *, width: int, num_classes: int, num_heads: int, dropout: float) -> None:
        super().__init__(width=width, num_classes=num_classes, num_heads=num_heads, dropout=dropout)
        self.classifier = Classifier(width, num_classes, dropout)

    def forward(self, tokens: Tokens) -> Tensor:
        """Return logits (see :class:`Fusion`)."""
        pooled = torch.stack([tokens[stream].mean(1) for stream in self.streams])  # (2, B, W)
        return self.classifier(pooled.mean(0))
