"""What training does about classes of unequal size: nothing, weights in the loss, or a sampler."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import RandomSampler, Sampler, WeightedRandomSampler

from varml.config.params import Balance


def video_weights(labels: Tensor) -> Tensor:
    """Return n / (k n_c) for each of n videos (n,) float32, where n_c videos are of its class and k classes occur.

    The mean is 1, and each class has the same sum.
    """
    _, place, counts = labels.unique(return_inverse=True, return_counts=True)
    return len(labels) / (len(counts) * counts[place].float())


def loss_weights(labels: Tensor, balance: Balance) -> Tensor | None:
    """Return the factor (n,) of each video's loss, or None where all count alike."""
    return video_weights(labels) if balance == "weights" else None


def epoch_orders(labels: Tensor, balance: Balance, seed: int) -> Iterator[Tensor]:
    """Yield the places of the videos of one epoch after the other, (n,) int64, from a generator of its own.

    ``sampler`` draws with replacement, each class as often as the others; anything else shuffles.
    """
    generator = torch.Generator().manual_seed(seed)
    sampler: Sampler[int] = (
        # It takes a list; so many numbers cost nothing beside an epoch.
        WeightedRandomSampler(video_weights(labels).double().tolist(), len(labels), generator=generator)
        if balance == "sampler"
        else RandomSampler(labels, generator=generator)
    )
    while True:
        yield torch.tensor(list(sampler))
