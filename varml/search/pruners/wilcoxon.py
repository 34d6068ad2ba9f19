"""Wilcoxon's signed-rank test of a trial against the best one, on the same videos."""

from __future__ import annotations

import numpy as np
import optuna
from pydantic import Field

from varml.search.pruners.base import Credits, Pruner, pruners

# With fewer videos SciPy goes through all signs that their differences might have, which takes longer than their fold.
MIN_VIDEOS = 14
# Optuna keeps each reported step; large folds report the means of so many equal blocks.
MAX_STEPS_PER_FOLD = 200


@pruners.register("wilcoxon")
class Wilcoxon(Pruner):
    """Stops a trial that recognises fewer videos than the best one, where a paired test says so.

    With four folds, a test on fold means could speak only after the last. Wilcoxon, "Individual comparisons by ranking
    methods", Biometrics Bulletin 1(6), 1945.
    """

    p_threshold: float = Field(default=0.1, gt=0, le=1, description="the larger, the sooner a trial is stopped")
    n_startup_steps: int = Field(default=MIN_VIDEOS, ge=0, description="videos, or blocks, before the first test")

    def make(self, num_epochs: int) -> optuna.pruners.BasePruner:
        """Return the pruner (see :class:`Pruner`)."""
        return optuna.pruners.WilcoxonPruner(**self.model_dump())

    def report_fold(self, trial: optuna.Trial, fold: int, credits: Credits) -> None:
        """Report each video, or the means of blocks of them."""
        blocks = np.array_split(credits, min(len(credits), MAX_STEPS_PER_FOLD))
        for place, block in enumerate(blocks):
            trial.report(float(block.mean()), fold * MAX_STEPS_PER_FOLD + place)
