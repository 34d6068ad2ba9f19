"""The median rule: a fold's mean against those of earlier trials."""

from __future__ import annotations

import optuna
from pydantic import Field

from varml.search.pruners.base import Pruner, pruners


@pruners.register("median")
class Median(Pruner):
    """Stops a trial whose best fold so far is under the median of complete trials at the same fold.

    Golovin et al., "Google Vizier: A Service for Black-Box Optimization", KDD 2017.
    """

    n_startup_trials: int = Field(default=5, ge=0, description="complete trials before any is stopped")
    n_warmup_steps: int = Field(default=0, ge=0, description="folds that every trial runs")
    n_min_trials: int = Field(default=1, ge=1, description="complete trials that a fold must have been reported by")

    def make(self, num_epochs: int) -> optuna.pruners.BasePruner:
        """Return the pruner (see :class:`Pruner`)."""
        return optuna.pruners.MedianPruner(**self.model_dump())
