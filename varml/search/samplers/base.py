"""What a sampler is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import optuna

from varml.config.part import Part
from varml.config.section import Section
from varml.ground.registry import Registry
from varml.search.experimental import experimental
from varml.search.parts import canonical, configured

PATH = "search.sampler"
# Before so many trials have ended, no sampler learns: those of the first wave, which is usually longer, are among them.
NUM_STARTUP_TRIALS = 8


class Sampler(Section, ABC):
    """Draws the values of the next trial; its fields are the arguments that params.yaml may give, with their defaults.

    It is made anew before each trial, from a seed that follows from the number of that trial, so that a search that was
    interrupted goes on as if it had not been, and each of several workers draws something else. What a sampler learns
    it therefore reads from the trials of the study, or keeps in their attributes, and never in itself alone.
    """

    several_objectives: ClassVar[bool] = True  # whether it draws for several at once
    refused: ClassVar[dict[str, str]] = {
        "seed": "follows from the seed of params.yaml and the number of the trial; leave it out"
    }

    @abstractmethod
    def make(self, seed: int) -> optuna.samplers.BaseSampler:
        """Return a new sampler with ``seed``, 0 to 2**32 - 1, whichever the directions of the study."""


samplers: Registry[type[Sampler]] = Registry("sampler", "varml.search.samplers")


def make_sampler(part: Part, seed: int) -> optuna.samplers.BaseSampler:
    """Return a new sampler of the kind and with the arguments that params.yaml says.

    Raises UnknownNameError or ConfigError where there is none such.
    """
    with experimental():
        return configured(samplers, part, PATH).make(seed)


def canonical_sampler(part: Part) -> str | dict[str, Any]:
    """Return the one form of all that mean the same sampler; raises as :func:`make_sampler` does."""
    return canonical(samplers, part, PATH)
