"""A genetic algorithm, for one objective or several."""

from __future__ import annotations

import optuna
from pydantic import Field

from varml.search.samplers.base import Sampler, samplers


@samplers.register("nsga2")
class Nsga2(Sampler):
    """NSGA-II: trials of a generation are crossed and mutated, and the best of both generations go on.

    Conditional dimensions are drawn at random. The generation of a trial stands in its attributes. Deb et al., "A fast
    and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEVC 6(2), 2002.
    """

    # Optuna has 50, which a search on few videos never reaches; the first wave alone fills this one.
    population_size: int = Field(default=10, ge=2, description="complete trials of a generation")
    mutation_prob: float | None = Field(default=None, ge=0, le=1, description="of a value; null: 1 / dimensions")
    crossover_prob: float = Field(default=0.9, ge=0, le=1, description="that a trial has two parents")
    swapping_prob: float = Field(default=0.5, ge=0, le=1, description="that a value is the second parent's")

    def make(self, seed: int) -> optuna.samplers.BaseSampler:
        """Return the sampler (see :class:`Sampler`)."""
        return optuna.samplers.NSGAIISampler(seed=seed, **self.model_dump())
