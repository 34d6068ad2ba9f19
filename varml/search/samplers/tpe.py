"""Tree-structured Parzen estimator: where good trials are dense and bad ones are not."""

from __future__ import annotations

import optuna
from pydantic import Field, model_validator

from varml.search.samplers.base import NUM_STARTUP_TRIALS, Sampler, samplers


@samplers.register("tpe")
class Tpe(Sampler):
    """TPE over all dimensions together.

    Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011; several dimensions at once after
    Falkner et al., "BOHB", ICML 2018, arXiv:1807.01774.
    """

    n_startup_trials: int = Field(default=NUM_STARTUP_TRIALS, ge=0, description="drawn at random before it learns")
    n_ei_candidates: int = Field(default=24, ge=1, description="of which the most promising is taken")
    multivariate: bool = Field(default=True, description="dimensions are drawn together")
    group: bool = Field(default=True, description="conditional dimensions too, those of one condition together")

    constant_liar: bool = Field(default=True, description="what other workers run is taken for bad, to draw elsewhere")

    @model_validator(mode="after")
    def _groups_are_of_several(self) -> Tpe:
        if self.group and not self.multivariate:
            raise ValueError("group is for multivariate alone; set group: false too")
        return self

    def make(self, seed: int) -> optuna.samplers.BaseSampler:
        """Return the sampler (see :class:`Sampler`)."""
        return optuna.samplers.TPESampler(seed=seed, **self.model_dump())
