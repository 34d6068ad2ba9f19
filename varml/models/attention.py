"""The neck of one stream: grid features of its steps in, one token for each step out.

Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StreamEncoder(nn.Module):
    """Standardises features, pools the grid, projects to ``width`` and lets the steps attend to each other.

    With ``depth`` 0 the grid is averaged and steps stay alone, so that a fusion's mean over them is the mean over
    time and space. From depth 1 on, a learned query pools the grid, and each of the layers is softmax(QKᵀ/√d)V
    over the steps with a learned position.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, dim: int, num_steps: int, width: int, depth: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))
        self.projection = nn.Linear(dim, width)
        self.dropout = nn.Dropout(dropout)
        self.query = nn.Parameter(torch.zeros(dim)) if depth else None
        self.position = nn.Parameter(torch.zeros(num_steps, width)) if depth else None
        if self.position is not None:
            # As large as the tokens: from the usual 0.02 order is learned late or, on small data, not at all.
            nn.init.normal_(self.position, std=1.0)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width,
                num_heads,
                2 * width,
                dropout=0.0,  # on the tokens alone: as good as in every layer, in three quarters of the time
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(depth)
        )

    def fit_standardisation(self, features: Tensor) -> None:
        """Set mean and deviation of each feature from those of training, (N, T, G, D)."""
        flat = features.flatten(0, 2).float()
        self.mean.copy_(flat.mean(0))
        # A feature that never varies in training must not blow up in service.
        self.std.copy_(flat.std(0, correction=0).clamp_min(1e-3))

    def forward(self, features: Tensor) -> Tensor:
        """Return tokens (B, T, W) of ``features`` (B, T, G, D)."""
        # The grid's weights sum to one, so that standardising after pooling is the same and costs a G-th.
        standard = (self._pool_grid(features) - self.mean) / self.std  # (B, T, D)
        tokens = self.dropout(self.projection(standard))  # (B, T, W)
        if self.position is not None:
            tokens = tokens + self.position
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens

    def _pool_grid(self, cells: Tensor) -> Tensor:
        if self.query is None:
            return cells.mean(2)  # (B, T, D)
        # The mean would shift all scores of a step alike, which softmax does not see.
        scores = cells @ (self.query / self.std) / cells.shape[-1] ** 0.5  # (B, T, G)
        weights = scores.softmax(-1)
        return (weights.unsqueeze(-2) @ cells).squeeze(-2)  # (B, T, D)
