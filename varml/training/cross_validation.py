"""Out-of-fold predictions: each video is predicted by a recogniser that has seen neither it nor its group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from varml.config.params import Model, Train
from varml.data.dataset import FeatureSet
from varml.data.splits import Positions
from varml.training.loop import EpochMetrics, Probabilities, fit, predict
from varml.training.stream_weight import StreamProbabilities, predict_streams

OfFold = Callable[[int], FeatureSet]


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


def cross_validate(
    features: FeatureSet | OfFold, folds: list[Positions], model: Model, train: Train, seed: int
) -> Iterator[FoldResult]:
    """Yield the result of each fold; the caller may stop in between. Fold i is trained from ``seed`` + i.

    ``features`` are those of all folds, or tell those of a fold, of the same videos, by its number. Features of videos
    in a mirror are left alone unless ``train.mirror``.
    """
    for index, positions in enumerate(folds):
        data = features if isinstance(features, FeatureSet) else features(index)
        data = data if train.mirror else data.unmirrored
        training = data.subset(np.setdiff1d(np.arange(len(data)), positions))
        validation = data.subset(positions)
        epochs: list[EpochMetrics] = []

        def keep(_: int, metrics: EpochMetrics, kept: list[EpochMetrics] = epochs) -> None:
            kept.append(metrics)

        recognizer = fit(training, model, train, seed=seed + index, validation=validation, on_epoch=keep)
        probabilities, streams = predict(recognizer, validation), predict_streams(recognizer, validation)
        yield FoldResult(index, positions, probabilities, streams, epochs)
