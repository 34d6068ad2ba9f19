"""Covariance matrix adaptation, for spaces of numbers."""

from __future__ import annotations

from typing import ClassVar

import optuna
from pydantic import Field, model_validator

from varml.search.samplers.base import NUM_STARTUP_TRIALS, Sampler, samplers


@samplers.register("cmaes")
class CmaEs(Sampler):
    """CMA-ES over the numeric dimensions that all complete trials have; choices and conditional dimensions are TPE's.

    It begins after some trials, not after one: when conditional dimensions come to be missing later, Optuna cannot go
    on with a distribution that holds them. Pruned trials are left out, for the last thing that they report may be one
    video. Hansen, "The CMA Evolution Strategy: A Tutorial", 2016, arXiv:1604.00772.
    """

    several_objectives: ClassVar[bool] = False

    n_startup_trials: int = Field(default=NUM_STARTUP_TRIALS, ge=1, description="drawn by TPE before it learns")
    popsize: int | None = Field(default=None, ge=2, description="trials of a generation; null: 4 + 3 ln(dimensions)")
    with_margin: bool = Field(default=False, description="whole numbers never become fixed to one")
    use_separable_cma: bool = Field(default=False, description="of each dimension by itself, which takes fewer trials")
    lr_adapt: bool = Field(default=False, description="learns more slowly where scores are noisy")

    @model_validator(mode="after")
    def _one_variant(self) -> CmaEs:
        chosen = [name for name in ("with_margin", "use_separable_cma", "lr_adapt") if getattr(self, name)]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} cannot go together; choose one")
        return self

    def make(self, seed: int) -> optuna.samplers.BaseSampler:
        """Return the sampler (see :class:`Sampler`).

        A new one is as good as a kept one: Optuna stores the distribution, pickled, in the attributes of the trial that
        begins a generation, and reads it from there before each draw.
        """
        return optuna.samplers.CmaEsSampler(
            seed=seed,
            independent_sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.n_startup_trials),
            warn_independent_sampling=False,  # choices are ordinary here
            **self.model_dump(),
        )
