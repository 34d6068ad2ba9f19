"""What a training is fed with, batch by batch: features from memory, or whatever else gives features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from varml.config.params import Train
from varml.data.dataset import FeatureSet
from varml.training.balance import epoch_orders


class Draw(NamedTuple):
    """Which videos a batch holds: their ``positions`` (B,) int64 in the training set, in which epoch and batch."""

    epoch: int
    number: int
    positions: Tensor


class Batch(NamedTuple):
    """What one step of training sees.

    ``features`` maps a stream to (B, T, G, D) float32; ``targets`` are classes, (B,) int64, or the share of each class,
    (B, K) float32.
    """

    features: dict[str, Tensor]
    targets: Tensor


class BatchSource(Protocol):
    """Where the batches of a training come from."""

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batch of each draw, in order, with the features of ``streams``."""
        ...


def draw_batches(labels: Tensor, train: Train, seed: int) -> Iterator[Draw]:
    """Yield which videos are in which batch of a whole training of videos with ``labels``, (N,) int64."""
    orders = epoch_orders(labels, train.balance, seed)
    for epoch, order in zip(range(train.num_epochs), orders, strict=False):
        for number, positions in enumerate(order.split(train.batch_size)):
            yield Draw(epoch, number, positions)


class StoredFeatures:
    """Features that are in memory, the same in every epoch."""

    def __init__(self, features: FeatureSet) -> None:
        self._features, self._labels = features, torch.from_numpy(features.labels)

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batch of each draw."""
        stored = stream_tensors(self._features, streams)
        for draw in draws:
            yield Batch(chosen_features(stored, draw.positions), self._labels[draw.positions])


def stream_tensors(features: FeatureSet, streams: tuple[str, ...]) -> dict[str, Tensor]:
    """Return the features of ``streams`` as tensors (N, T, G, D) float16 that share memory with the arrays."""
    return {stream: torch.from_numpy(features.features[stream]) for stream in streams}


def chosen_features(stored: Mapping[str, Tensor], positions: Tensor) -> dict[str, Tensor]:
    """Return the features (B, T, G, D) float32 of the videos at ``positions`` (B,)."""
    return {stream: values[positions].float() for stream, values in stored.items()}
