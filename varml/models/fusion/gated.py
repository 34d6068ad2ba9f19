"""Mid fusion: for each feature a gate says how much of it comes from which stream.

Arevalo et al., "Gated Multimodal Units for Information Fusion", 2017, arXiv:1702.01992.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from varml.models.fusion.base import Classifier, Fusion, Tokens, fusions


@fusions.register("gated")
class Gated(Fusion):
    """z·rgb + (1 - z)·flow of the normalised mean tokens, where z, from 0 to 1, follows from both; classified."""

    streams = ("rgb", "flow")

    def __init__(self, *, width: int, num_classes: int, num_heads: int, dropout: float) -> None:
        super().__init__(width=width, num_classes=num_classes, num_heads=num_heads, dropout=dropout)
        self.norms = nn.ModuleDict({stream: nn.LayerNorm(width) for stream in self.streams})
        self.gate = nn.Linear(2 * width, width)
        self.classifier = Classifier(width, num_classes, dropout)

    def forward(self, tokens: Tokens) -> Tensor:
        """Return logits (see :class:`Fusion`)."""
        rgb, flow = (self.norms[stream](tokens[stream].mean(1)) for stream in self.streams)  # (B, W) each
        share = self.gate(torch.cat([rgb, flow], dim=-1)).sigmoid()
        return self.classifier(share * rgb + (1 - share) * flow)
