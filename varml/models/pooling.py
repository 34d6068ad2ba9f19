"""How the tokens of a stream become one, where that is not their mean."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from varml.config.params import Pooling

NUM_PARTS = 3


class AttentivePooling(nn.Module):
    """Cross-attention of one learned query to tokens; it starts with equal weights, which is a mean.

    As multi-head attention with one seed vector in Lee et al., "Set Transformer", 2019, arXiv:1810.00825, and as the
    probe of Bardes et al., "Revisiting Feature Prediction for Learning Visual Representations from Video" (V-JEPA),
    2024, arXiv:2404.08471.
    """

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


class ThirdsPooling(nn.Module):
    """The means of the first, the middle and the last third of the tokens, mixed by one layer; it starts as their mean.

    What comes first and what last is then told apart with few weights: a temporal pyramid, as the grids in time of
    Laptev et al., "Learning Realistic Human Actions from Movies", 2008.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(NUM_PARTS * width, width)
        with torch.no_grad():
            self.mix.weight.copy_(torch.eye(width).repeat(1, NUM_PARTS) / NUM_PARTS)
            self.mix.bias.zero_()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return one token (B, W) of ``tokens`` (B, L, W), which lie in the order of time; L may be any."""
        thirds = F.adaptive_avg_pool1d(tokens.transpose(1, 2), NUM_PARTS)  # (B, W, 3)
        return self.mix(thirds.transpose(1, 2).flatten(1))


def make_pooling(kind: Pooling, width: int, num_heads: int) -> nn.Module | None:
    """Return what pools tokens (B, L, W) into one (B, W); None is their mean, which needs no weights."""
    if kind == "attentive":
        return AttentivePooling(width, num_heads)
    return ThirdsPooling(width) if kind == "thirds" else None
