"""Mid fusion: the steps of each stream look up what they need in the other.

Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences", 2019, arXiv:1906.00295.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from varml.models.fusion.base import Classifier, Fusion, Tokens, fusions


@fusions.register("cross_attention")
class CrossAttention(Fusion):
    """Attention from each stream to the other, added to what the stream had; then as ``concat``."""

    streams = ("rgb", "flow")
    reads_tokens = True

    def __init__(self, *, width: int, num_classes: int, num_heads: int, dropout: float) -> None:
        super().__init__(width=width, num_classes=num_classes, num_heads=num_heads, dropout=dropout)
        self.norms = nn.ModuleDict({stream: nn.LayerNorm(width) for stream in self.streams})
        self.attentions = nn.ModuleDict(
            {stream: nn.MultiheadAttention(width, num_heads, dropout, batch_first=True) for stream in self.streams}
        )
        self.classifier = Classifier(2 * width, num_classes, dropout)

    def forward(self, tokens: Tokens) -> Tensor:
        """Return logits (see :class:`Fusion`)."""
        normal = {stream: self.norms[stream](tokens[stream]) for stream in self.streams}
        pooled = [
            self.pool(own, self._look_up(own, other, tokens, normal))
            for own, other in (("rgb", "flow"), ("flow", "rgb"))
        ]
        return self.classifier(torch.cat(pooled, dim=-1))

    def _look_up(self, own: str, other: str, tokens: Tokens, normal: Tokens) -> Tensor:
        found, _ = self.attentions[own](normal[own], normal[other], normal[other], need_weights=False)  # (B, L, W)
        return tokens[own] + found
