"""What training does about classes of unequal size: nothing, weights in the loss, or a sampler."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import RandomSampler, Sampler, WeightedRandomSampler

from varml.config.params import Balance


def class_weights(labels: Tensor, num_classes: int) -> Tensor:
    """Return n / (k n_c) for each class (K,) float32, of n videos, of which n_c are of the class and k classes occur.

    The mean over the videos is 1, and each class has the same sum. A class that does not occur weighs 1: mirrored
    clips may be of it.
    """
    counts = labels.bincount(minlength=num_classes)
    occurs = counts > 0
    return torch.where(occurs, len(labels) / (occurs.sum() * counts.clamp_min(1)), 1.0).float()


def loss_weights(labels: Tensor, num_classes: int, balance: Balance) -> Tensor | None:
    """Return the factor (K,) of each class in the loss, or None where all count alike."""
    return class_weights(labels, num_classes) if balance == "weights" else None


def epoch_orders(labels: Tensor, balance: Balance, seed: int) -> Iterator[Tensor]:
    """Yield the places of the videos of one epoch after the other, (n,) int64, from a generator of its own.

    ``sampler`` draws with replacement, each class as often as the others; anything else shuffles.
    """
    generator = torch.Generator().manual_seed(seed)
    sampler: Sampler[int] = (
        # It takes a list; so many numbers cost nothing beside an epoch.
        WeightedRandomSampler(_video_weights(labels), len(labels), generator=generator)
        if balance == "sampler"
        else RandomSampler(labels, generator=generator)
    )
    while True:
        yield torch.tensor(list(sampler))


def _video_weights(labels: Tensor) -> list[float]:
    return class_weights(labels, int(labels.max()) + 1)[labels].double().tolist()
