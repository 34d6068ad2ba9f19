"""Hyperband: many trials get few epochs, and few get many."""

from __future__ import annotations

from typing import ClassVar

import optuna
from pydantic import Field, model_validator

from varml.search.pruners.base import Pruner, pruners


@pruners.register("hyperband")
class Hyperband(Pruner):
    """Stops a trial in its first fold where it is not among the best 1 / ``reduction_factor`` after as many epochs.

    After how many it is asked first depends on the trial's bracket, so that some late bloomers are waited for. Li et
    al., "Hyperband", JMLR 18, 2018, arXiv:1603.06560; in the asynchronous form of Li et al., "A System for Massively
    Parallel Hyperparameter Tuning", MLSys 2020, arXiv:1810.05934.
    """

    watches_epochs: ClassVar[bool] = True

    min_resource: int = Field(default=1, ge=1, description="epochs that every trial gets")
    max_resource: int | None = Field(default=None, ge=1, description="epochs; null: those of a trial")
    reduction_factor: int = Field(default=3, ge=2, description="of so many trials one goes on")
    bootstrap_count: int = Field(default=0, ge=0, description="trials that must have come so far before one goes on")

    @model_validator(mode="after")
    def _is_a_range(self) -> Hyperband:
        if self.max_resource is not None and self.max_resource < self.min_resource:
            raise ValueError(f"max_resource must be at least min_resource, {self.min_resource}")
        return self

    def make(self, num_epochs: int) -> optuna.pruners.BasePruner:
        """Return the pruner (see :class:`Pruner`).

        Optuna's "auto" would read the most epochs from the first complete trial, which may have fewer than others.
        """
        most = max(self.min_resource, self.max_resource or num_epochs)
        return optuna.pruners.HyperbandPruner(**{**self.model_dump(), "max_resource": most})
