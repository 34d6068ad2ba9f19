"""A network that is trained in no time, with all that a training must bring back: dropout, batch statistics, groups."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from varml.training.batches import Batch, Draw

NUM_CLASSES, WIDTH = 3, 6


class TinyNetwork(nn.Module):
    """Two layers over one stream."""

    def __init__(self, dropout: float = 0.3, normalise: bool = True) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, 16)
        self.norm = nn.BatchNorm1d(16) if normalise else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(16, NUM_CLASSES)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.last(self.dropout(torch.relu(self.norm(self.first(inputs["rgb"])))))


class TinySource:
    """Batches of random inputs, one row for each video."""

    def __init__(self, num_videos: int, *, shares: bool = False) -> None:
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(num_videos, WIDTH, generator=generator)
        self.labels = torch.arange(num_videos) % NUM_CLASSES
        self.shares = torch.rand(num_videos, NUM_CLASSES, generator=generator).softmax(-1) if shares else None

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        for draw in draws:
            chosen = draw.own_positions
            targets = self.labels if self.shares is None else self.shares
            yield Batch({"rgb": self.inputs[chosen]}, targets[chosen])


def make_network(dropout: float = 0.3, normalise: bool = True) -> TinyNetwork:
    """Return the same network each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return TinyNetwork(dropout, normalise)


def digest(network: nn.Module) -> str:
    """Return the sha256 of all parameters and buffers."""
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in network.state_dict().values())).hexdigest()
