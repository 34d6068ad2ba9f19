"""No pruning: every trial runs to its end."""

from __future__ import annotations

import optuna

from varml.search.pruners.base import Credits, Pruner, pruners


@pruners.register("none")
class Never(Pruner):
    """Stops nothing, and lets nothing be stored for it."""

    def make(self, num_epochs: int) -> optuna.pruners.BasePruner:
        """Return the pruner (see :class:`Pruner`)."""
        return optuna.pruners.NopPruner()

    def report_fold(self, trial: optuna.Trial, fold: int, credits: Credits) -> None:
        """Report nothing."""
