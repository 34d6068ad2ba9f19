"""What a training is fed with, batch by batch: features from memory, or whatever else gives inputs of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from varml.config.params import Train
from varml.config.views import View
from varml.data.dataset import FeatureSet
from varml.training.balance import epoch_orders
from varml.training.reproducible import generator_of


class Draw(NamedTuple):
    """Which videos a batch holds: their ``positions`` (B,) int64 in the training set, in which epoch and batch.

    Where several processes train together, ``rows`` are those of the batch that fall to this one; None is all of them.
    A process to which none falls is ``idle`` and computes a row that does not count.
    """

    epoch: int
    number: int
    positions: Tensor
    rows: Tensor | None = None
    idle: bool = False

    @property
    def own_rows(self) -> Tensor:
        """The rows of the batch that this process computes, int64."""
        return torch.arange(len(self.positions)) if self.rows is None else self.rows

    @property
    def own_positions(self) -> Tensor:
        """The positions in the training set of the videos that this process computes, int64."""
        return self.positions if self.rows is None else self.positions[self.rows]

    @property
    def weight(self) -> float:
        """The share of the batch that this process computes, from 0 to 1."""
        return 0.0 if self.idle else len(self.own_rows) / len(self.positions)


class Batch(NamedTuple):
    """What one step of training sees.

    ``inputs`` maps a stream to what the network takes of it, (B, ...) float32, such as features (B, T, G, D);
    ``targets`` are classes, (B,) int64, or the share of each class, (B, K) float32.
    """

    inputs: dict[str, Tensor]
    targets: Tensor


class BatchSource(Protocol):
    """Where the batches of a training come from."""

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batch of each draw, in order, with its ``own_rows`` alone and the inputs of ``streams``.

        What a row holds must not depend on which process computes it.
        """
        ...


def draw_batches(labels: Tensor, train: Train, seed: int, first_epoch: int = 0) -> Iterator[Draw]:
    """Yield which videos are in which batch of a whole training of videos with ``labels``, (N,) int64.

    A training that goes on in ``first_epoch`` is given the batches that it would have had anyway.
    """
    orders = epoch_orders(labels, train.balance, seed)
    for epoch, order in zip(range(train.num_epochs), orders, strict=False):
        if epoch < first_epoch:
            continue
        for number, positions in enumerate(order.split(train.batch_size)):
            yield Draw(epoch, number, positions)


def num_batches(num_videos: int, train: Train) -> int:
    """Return the number of batches of an epoch."""
    return -(-num_videos // train.batch_size)


def own_share(draw: Draw, rank: int, num_processes: int) -> Draw:
    """Return what of ``draw`` falls to the process ``rank``: every row that it comes to when dealing them out."""
    if num_processes == 1:
        return draw
    rows = torch.arange(len(draw.positions))[rank::num_processes]
    if len(rows):
        return draw._replace(rows=rows)
    # Gradients are averaged in a step that all processes take.
    return draw._replace(rows=torch.zeros(1, dtype=torch.int64), idle=True)


class StoredFeatures:
    """Features that are in memory, the same in every epoch but for the view.

    Each time that a video is drawn it is seen in one of its views, under the class that it has there; in which one
    follows from ``seed``.
    """

    def __init__(self, features: FeatureSet, seed: int = 0) -> None:
        self._features, self._seed = features, seed
        labels = [torch.from_numpy(features.labels_in(view)) for view in features.features]
        self._labels = torch.stack(labels)  # (V, N)

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batch of each draw."""
        # Views lie apart in memory; a batch takes rows of all.
        stored = [stream_tensors(self._features, view, streams) for view in self._features.features]
        for draw in draws:
            seen, positions = draw_views(draw, len(stored), self._seed)[draw.own_rows], draw.own_positions
            yield Batch(_of_views(stored, seen, positions), self._labels[seen, positions])


def draw_views(draw: Draw, num_views: int, seed: int) -> Tensor:
    """Return in which of its views each video of a batch is seen, (B,) int64, all rows, whichever process has them."""
    if num_views == 1:
        return torch.zeros(len(draw.positions), dtype=torch.int64)
    # Under another name than that of the first views every training would come out otherwise.
    generator = generator_of("mirror", seed, draw.epoch, draw.number)
    return torch.randint(num_views, (len(draw.positions),), generator=generator)


def _of_views(stored: Sequence[Mapping[str, Tensor]], seen: Tensor, positions: Tensor) -> dict[str, Tensor]:
    if len(stored) == 1:
        return chosen_features(stored[0], positions)
    rows = [(seen == view).nonzero()[:, 0] for view in range(len(stored))]
    order = torch.cat(rows).argsort()
    parts = [chosen_features(of_view, positions[of]) for of_view, of in zip(stored, rows, strict=True)]
    return {stream: torch.cat([part[stream] for part in parts])[order] for stream in stored[0]}


def stream_tensors(features: FeatureSet, view: View, streams: tuple[str, ...]) -> dict[str, Tensor]:
    """Return the features of ``streams`` in one view as tensors (N, T, G, D) float16 that share the arrays' memory."""
    return {stream: torch.from_numpy(features.features[view][stream]) for stream in streams}


def all_views(features: FeatureSet, streams: tuple[str, ...]) -> dict[str, Tensor]:
    """Return the features of ``streams`` in all views of the videos, one after the other, (V*N, T, G, D) float16."""
    first, *others = [stream_tensors(features, view, streams) for view in features.features]
    # A single view is as large as all that is in memory, and need not be copied.
    return {stream: torch.cat([first[stream], *(o[stream] for o in others)]) for stream in streams} if others else first


def chosen_features(stored: Mapping[str, Tensor], positions: Tensor) -> dict[str, Tensor]:
    """Return the features (B, T, G, D) float32 of the videos at ``positions`` (B,)."""
    return {stream: values[positions].float() for stream, values in stored.items()}
