"""Which trials are stopped between folds, and what they are compared by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import optuna

# (N,), of each validation video of a fold: 0 where it was not recognised, else what it counts, over all folds 1 on
# average
Credits = npt.NDArray[np.floating]
P_THRESHOLD = 0.1
# With fewer videos SciPy goes through all signs that their differences might have, which takes longer than their fold.
MIN_VIDEOS = 14
# Optuna keeps each reported step; large folds report the means of so many equal blocks.
MAX_STEPS_PER_FOLD = 200


@dataclass(frozen=True)
class Pruning:
    """A pruner with the way a fold is reported to it."""

    make: Callable[[], optuna.pruners.BasePruner]
    report: Callable[[optuna.Trial, int, Credits], None]


def _report_videos(trial: optuna.Trial, fold: int, credits: Credits) -> None:
    blocks = np.array_split(credits, min(len(credits), MAX_STEPS_PER_FOLD))
    for place, block in enumerate(blocks):
        trial.report(float(block.mean()), fold * MAX_STEPS_PER_FOLD + place)


def _report_mean(trial: optuna.Trial, fold: int, credits: Credits) -> None:
    trial.report(float(credits.mean()), fold)


def _report_nothing(trial: optuna.Trial, fold: int, credits: Credits) -> None:
    """Report nothing: such a study never prunes."""


PRUNINGS = {
    # A paired test on the same videos: with four folds, a test on fold means could speak only after the last.
    "wilcoxon": Pruning(
        lambda: optuna.pruners.WilcoxonPruner(p_threshold=P_THRESHOLD, n_startup_steps=MIN_VIDEOS), _report_videos
    ),
    "median": Pruning(lambda: optuna.pruners.MedianPruner(n_startup_trials=5), _report_mean),
    "none": Pruning(optuna.pruners.NopPruner, _report_nothing),
}
