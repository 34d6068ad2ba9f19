"""The neck of one stream: grid features of its steps in, tokens out, before they look at each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from varml.models.positions import Positions


class StreamEncoder(nn.Module):
    """Standardises features, pools the grid where nobody reads its cells, and projects to ``width``.

    With ``attends`` false nothing behind it tells one token from another: the grid is averaged and tokens have no
    position, so that a mean over them is the mean over time and space. Else tokens have learned positions, and the
    grid, unless ``reads_cells``, is pooled by a learned query.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        dim: int,
        num_steps: int,
        num_cells: int,
        width: int,
        dropout: float,
        attends: bool,
        reads_cells: bool,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))
        self.projection = nn.Linear(dim, width)
        self.dropout = nn.Dropout(dropout)
        self.keeps_cells = attends and reads_cells
        self.query = nn.Parameter(torch.zeros(dim)) if attends and not reads_cells else None
        self.position = Positions(num_steps, num_cells if reads_cells else 1, width) if attends else None

    @property
    def reads_cells(self) -> bool:
        """Whether it tells the cells of the grid apart; else features that are their mean give the same tokens."""
        return self.keeps_cells or self.query is not None

    def fit_standardisation(self, features: Tensor) -> None:
        """Set mean and deviation of each feature from those of training, (N, T, G, D)."""
        flat = features.flatten(0, 2).float()
        self.mean.copy_(flat.mean(0))
        # A feature that never varies in training must not blow up in service.
        self.std.copy_(flat.std(0, correction=0).clamp_min(1e-3))

    def forward(self, features: Tensor) -> Tensor:
        """Return tokens (B, T, G, W) of ``features`` (B, T, G, D); G of the tokens is 1 where the grid is pooled."""
        # The grid's weights sum to one, so that standardising after pooling is the same and costs a G-th.
        cells = features if self.keeps_cells else self._pool_grid(features)
        tokens = self.dropout(self.projection((cells - self.mean) / self.std))
        return tokens if self.position is None else self.position(tokens)

    def grid_weights(self, features: Tensor) -> Tensor | None:
        """Return how much each cell of ``features`` (B, T, G, D) counts in its step, (B, T, G), or None without query.

        They sum to 1 over the grid.
        """
        if self.query is None:
            return None
        # The mean would shift all scores of a step alike, which softmax does not see.
        scores = features @ (self.query / self.std) / features.shape[-1] ** 0.5  # (B, T, G)
        return scores.softmax(-1)

    def _pool_grid(self, cells: Tensor) -> Tensor:
        weights = self.grid_weights(cells)
        return cells.mean(2, keepdim=True) if weights is None else weights.unsqueeze(-2) @ cells  # (B, T, 1, D)
