"""Out-of-fold predictions: each video is predicted by a recogniser that has seen neither it nor its group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

import numpy as np
import psutil

from varml.config.params import Model, Train
from varml.data.dataset import FeatureSet
from varml.data.splits import Positions
from varml.ground.engine import map_in_order, resolve_num_workers
from varml.training.loop import EpochMetrics, OnEpoch, Probabilities, fit, predict
from varml.training.stream_weight import StreamProbabilities, predict_streams

OfFold = Callable[[int], FeatureSet]
# Of all features, while two folds of 300 MB were trained by workers: two here and a bit over three in each worker.
COPIES_OF_A_FOLD = 6


@dataclass(frozen=True)
class FoldResult:
    """What one fold gave: the validation positions, their probabilities, and the metrics of each epoch.

    ``streams`` holds the probabilities by each stream alone where the fusion can tell them.
    """

    index: int
    positions: Positions
    probabilities: Probabilities
    streams: StreamProbabilities | None
    epochs: list[EpochMetrics]


def epoch_means(folds: Iterable[list[EpochMetrics]]) -> dict[str, list[float]]:
    """Return each metric after each epoch, the mean over the ``folds`` that came so far."""
    means: dict[str, list[float]] = defaultdict(list)
    for epochs in zip_longest(*folds):
        trained = [metrics for metrics in epochs if metrics is not None]
        for name in trained[0]:
            means[name].append(float(np.mean([metrics[name] for metrics in trained])))
    return dict(means)


@dataclass(frozen=True)
class FoldTask:
    """A fold to train and validate; travels to a worker process."""

    index: int
    positions: Positions
    training: FeatureSet
    validation: FeatureSet
    model: Model
    train: Train
    seed: int
    metric: str


def cross_validate(
    features: FeatureSet | OfFold,
    folds: list[Positions],
    model: Model,
    train: Train,
    seed: int,
    *,
    num_workers: int = 1,
    metric: str = "top1",
    on_epoch: OnEpoch | None = None,
) -> Iterator[FoldResult]:
    """Yield the result of each fold, in order; the caller may stop in between. Fold i is trained from ``seed`` + i.

    ``features`` are those of all folds, or tell those of a fold, of the same videos, by its number. Features of videos
    in a mirror are left alone unless ``train.mirror``. ``num_workers`` processes (0: one per core) train folds at the
    same time, fewer where memory is short, which changes no result.

    The metrics of each epoch have ``metric`` (see :data:`varml.metrics.classification.METRICS`) among them. Where
    ``on_epoch`` is given, it is told those of the first fold as they come: that fold is trained in this process before
    the others, and what ``on_epoch`` raises ends the loop.
    """
    seen = partial(_seen, features, train=train)
    num_workers = min(resolve_num_workers(num_workers), len(folds))
    if num_workers > 1:
        num_workers = min(num_workers, _affordable(seen(0)))
    tasks = (_task(index, fold, seen(index), model, train, seed + index, metric) for index, fold in enumerate(folds))
    if on_epoch is not None:
        yield validate_fold(next(tasks), on_epoch)
    yield from map_in_order(validate_fold, tasks, num_workers=num_workers)


def validate_fold(task: FoldTask, on_epoch: OnEpoch | None = None) -> FoldResult:
    """Train on what the fold of ``task`` does not validate, and predict what it does."""
    epochs: list[EpochMetrics] = []

    def take(epoch: int, metrics: EpochMetrics) -> None:
        epochs.append(metrics)
        if on_epoch is not None:
            on_epoch(epoch, metrics)

    recognizer = fit(
        task.training, task.model, task.train, seed=task.seed, validation=task.validation, metric=task.metric,
        on_epoch=take,
    )  # fmt: skip
    probabilities, streams = predict(recognizer, task.validation), predict_streams(recognizer, task.validation)
    return FoldResult(task.index, task.positions, probabilities, streams, epochs)


def _task(
    index: int, positions: Positions, features: FeatureSet, model: Model, train: Train, seed: int, metric: str
) -> FoldTask:
    rest = np.setdiff1d(np.arange(len(features)), positions)
    return FoldTask(index, positions, features.subset(rest), features.subset(positions), model, train, seed, metric)


def _affordable(features: FeatureSet) -> int:
    """Return how many folds of ``features`` fit into memory at the same time, 1 at least."""
    return max(1, int(psutil.virtual_memory().available / (COPIES_OF_A_FOLD * max(1, features.num_bytes))))


def _seen(features: FeatureSet | OfFold, index: int, *, train: Train) -> FeatureSet:
    data = features if isinstance(features, FeatureSet) else features(index)
    return data.seen(train.mirror)
