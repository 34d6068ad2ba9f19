"""Divided attention: over the cells of a step, then over the steps of a cell.

Bertasius et al., "Is Space-Time Attention All You Need for Video Understanding?" (TimeSformer), 2021,
arXiv:2102.05095, where time comes first.
"""

from __future__ import annotations

from torch import Tensor, nn

from varml.models.attention.base import MLP_RATIO, AttentionKind, attention_kinds


@attention_kinds.register("divided")
class Divided(AttentionKind):
    """Layers of attention over space, attention over time and an MLP, each added to what was there."""

    def make_layer(self, width: int, num_heads: int) -> nn.Module:
        """Return one layer over tokens (B, T, G, W)."""
        return DividedLayer(width, num_heads)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (see :class:`AttentionKind`)."""
        return self.attend(tokens)


class DividedLayer(nn.Module):
    """Space, time, MLP, with the normalisation of each before it."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.over_space = NormedAttention(width, num_heads)
        self.over_time = NormedAttention(width, num_heads)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, MLP_RATIO * width), nn.GELU(), nn.Linear(MLP_RATIO * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (B, T, G, W) of tokens (B, T, G, W)."""
        size, (num_steps, num_cells) = len(tokens), tokens.shape[1:3]
        steps = tokens.flatten(0, 1)  # (B*T, G, W)
        cells = (steps + self.over_space(steps)).unflatten(0, (size, num_steps)).transpose(1, 2).flatten(0, 1)
        cells = cells + self.over_time(cells)  # (B*G, T, W)
        cells = cells + self.mlp(cells)
        return cells.unflatten(0, (size, num_cells)).transpose(1, 2)  # (B, T, G, W)


class NormedAttention(nn.Module):
    """Self-attention of sequences (N, L, W) behind a normalisation."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, num_heads, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what each token finds in its sequence, (N, L, W)."""
        normal = self.norm(tokens)
        found, _ = self.attention(normal, normal, normal, need_weights=False)
        return found
