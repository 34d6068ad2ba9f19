"""Learned positions: when a token is, and where on the grid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Positions(nn.Module):
    """A vector for each of ``num_steps`` steps and, where there are several, each of ``num_cells`` cells.

    Another number of steps gets positions in between, linear in time, as if the video were sampled at other moments.
    """

    def __init__(self, num_steps: int, num_cells: int, width: int) -> None:
        super().__init__()
        self.time = _positions(num_steps, width)
        self.cell = _positions(num_cells, width) if num_cells > 1 else None

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``tokens`` (B, T, G, W) with their positions added."""
        tokens = tokens + at_times(self.time, tokens.shape[1])[:, None]
        return tokens if self.cell is None else tokens + self.cell


def at_times(positions: Tensor, num_steps: int) -> Tensor:
    """Return positions (T0, W) of T0 equal slices of time for ``num_steps`` of them, (num_steps, W).

    As many as there are come back as they are. Fewer or more are read between the middles of the slices.
    """
    if num_steps == len(positions):
        return positions
    return F.interpolate(positions.T[None], size=num_steps, mode="linear", align_corners=False)[0].T


def _positions(number: int, width: int) -> nn.Parameter:
    # As large as the tokens: from the usual 0.02 order is learned late or, on small data, not at all.
    return nn.Parameter(nn.init.normal_(torch.empty(number, width), std=1.0))
