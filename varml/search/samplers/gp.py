"""Bayesian optimisation with a Gaussian process."""

from __future__ import annotations

import optuna
from pydantic import Field

from varml.search.samplers.base import NUM_STARTUP_TRIALS, Sampler, samplers


@samplers.register("gp")
class GaussianProcess(Sampler):
    """Expected improvement under a Gaussian process with a Matérn kernel, choices and whole numbers included.

    It learns from complete trials alone, and knows the dimensions that all of them have; conditional ones are TPE's.
    Ament et al., "Unexpected Improvements to Expected Improvement for Bayesian Optimization", NeurIPS 2023,
    arXiv:2310.20708.
    """

    n_startup_trials: int = Field(default=NUM_STARTUP_TRIALS, ge=1, description="drawn at random before it learns")
    deterministic_objective: bool = Field(
        default=False, description="equal values give equal scores: no noise is fitted"
    )

    def make(self, seed: int) -> optuna.samplers.BaseSampler:
        """Return the sampler (see :class:`Sampler`).

        A kept one begins to fit where its last fit ended, and so would draw otherwise after a restart.
        """
        return optuna.samplers.GPSampler(
            seed=seed,
            independent_sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.n_startup_trials),
            warn_independent_sampling=False,  # conditional dimensions are ordinary here
            **self.model_dump(),
        )
