"""Out-of-fold predictions of several recognisers on the same videos, and what is scored on them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from varml.data.splits import Positions
from varml.errors import SearchError
from varml.ground.atomic import write_bytes
from varml.metrics.classification import METRICS, Labels, cross_entropy, mean_score
from varml.training.loop import Probabilities

NO_FOLD = -1


class Figures(NamedTuple):
    """Means over folds: of the metric, and of the cross-entropy with its sign turned, so that more is better in both.

    Figures compare as the search ranks trials: by the metric, then by the loss.
    """

    score: float
    negative_loss: float


@dataclass(frozen=True)
class OutOfFold:
    """Predictions (R, N, K) of R recognisers for N videos, each by a training that saw neither it nor its group.

    ``folds`` (N,) int64 tells which fold validated a video, :data:`NO_FOLD` where none did; its predictions are NaN.
    """

    video_ids: list[str]
    labels: Labels
    folds: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]

    def validated(self) -> OutOfFold:
        """Return the videos that some fold validated."""
        kept = np.flatnonzero(self.folds != NO_FOLD)
        ids = [self.video_ids[i] for i in kept]
        return OutOfFold(ids, self.labels[kept], self.folds[kept], self.probabilities[:, kept])

    @cached_property
    def positions(self) -> list[Positions]:
        """The positions of the videos of each fold."""
        return [np.flatnonzero(self.folds == fold) for fold in np.unique(self.folds[self.folds != NO_FOLD])]

    def figures(self, metric: str, probabilities: Probabilities) -> Figures:
        """Return the means over folds of ``metric`` and of the loss of ``probabilities`` (N, K)."""
        return figures_of(metric, self.labels, probabilities, self.positions)


def figures_of(metric: str, labels: Labels, probabilities: Probabilities, folds: list[Positions]) -> Figures:
    """Return the means over ``folds`` of ``metric`` and of the loss of ``probabilities`` (N, K)."""
    scores = [METRICS[metric](labels[fold], probabilities[fold]) for fold in folds]
    losses = [cross_entropy(labels[fold], probabilities[fold]) for fold in folds]
    return Figures(mean_score(scores), -float(np.mean(losses)))


def fold_numbers(folds: list[Positions], num_videos: int) -> npt.NDArray[np.int64]:
    """Return which of ``folds`` each video is in, (N,)."""
    numbers = np.full(num_videos, NO_FOLD, dtype=np.int64)
    for number, fold in enumerate(folds):
        numbers[fold] = number
    return numbers


def write_oof(path: Path, oof: OutOfFold) -> None:
    """Write ``oof`` as an npz of the fields' names; equal content gives equal bytes."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        video_ids=np.asarray(oof.video_ids),
        labels=oof.labels,
        folds=oof.folds,
        probabilities=oof.probabilities,
    )
    write_bytes(path, buffer.getvalue())


def read_oof(path: Path) -> OutOfFold:
    """Return what :func:`write_oof` wrote; raises SearchError where there is no such file."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            ids = stored["video_ids"].tolist()
            return OutOfFold(ids, stored["labels"], stored["folds"], stored["probabilities"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise SearchError(f"{path} holds no out-of-fold predictions ({error}); run `dvc repro`") from error
