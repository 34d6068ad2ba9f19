"""Random search: every trial by itself."""

from __future__ import annotations

import optuna

from varml.search.samplers.base import Sampler, samplers


@samplers.register("random")
class Random(Sampler):
    """Uniform draws.

    Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012.
    """

    def make(self, seed: int) -> optuna.samplers.BaseSampler:
        """Return the sampler (see :class:`Sampler`)."""
        return optuna.samplers.RandomSampler(seed=seed)
