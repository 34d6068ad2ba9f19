"""Attentive pooling: a learned query asks all tokens, in place of their mean.

As multi-head attention with one seed vector in Lee et al., "Set Transformer", 2019, arXiv:1810.00825, and as the probe
of Bardes et al., "Revisiting Feature Prediction for Learning Visual Representations from Video" (V-JEPA), 2024,
arXiv:2404.08471.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AttentivePooling(nn.Module):
    """Cross-attention of one learned query to tokens; it starts with equal weights, which is a mean."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, num_heads, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return one token (B, W) of ``tokens`` (B, L, W)."""
        normal = self.norm(tokens)
        found, _ = self.attention(self.query.expand(len(tokens), 1, -1), normal, normal, need_weights=False)
        return found[:, 0]
