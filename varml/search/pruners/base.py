"""What a pruner is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import optuna

from varml.config.params import Params
from varml.config.part import Part
from varml.config.section import Section
from varml.config.space import max_epochs
from varml.ground.registry import Registry
from varml.search.experimental import experimental
from varml.search.parts import canonical, configured

PATH = "search.pruner"
NONE = "none"
# (N,), of each validation video of a fold: 0 where it was not recognised, else what it counts, over all folds 1 on
# average
Credits = npt.NDArray[np.floating]


class Pruner(Section, ABC):
    """Compares trials before their end; its fields are the arguments that params.yaml may give, with their defaults.

    It is told of each fold that a trial has ended, and may stop it there. One that ``watches_epochs`` is told instead
    of each epoch of the first fold: the metric that is searched for, at as many steps as epochs are done. That fold is
    trained before the others.
    """

    watches_epochs: ClassVar[bool] = False

    @abstractmethod
    def make(self, num_epochs: int) -> optuna.pruners.BasePruner:
        """Return the pruner of a study whose trials have at most ``num_epochs`` epochs a fold."""

    def report_fold(self, trial: optuna.Trial, fold: int, credits: Credits) -> None:
        """Tell ``trial`` what its fold number ``fold`` gave: the mean, unless a pruner wants something else."""
        trial.report(float(credits.mean()), fold)


pruners: Registry[type[Pruner]] = Registry("pruner", "varml.search.pruners")


def pruner_of(params: Params) -> Pruner:
    """Return the part that prunes trials; raises UnknownNameError or ConfigError where there is none such."""
    return configured(pruners, acting_pruner(params), PATH)


def acting_pruner(params: Params) -> Part:
    """Return what params.yaml names, or ``none`` beside latency: a trial that is worse by the metric may be faster."""
    return Part(name=NONE) if params.search.weighs_latency else params.search.pruner


def make_pruner(params: Params) -> optuna.pruners.BasePruner:
    """Return Optuna's pruner for a study with ``params``; raises as :func:`pruner_of` does."""
    with experimental():
        return pruner_of(params).make(max_epochs(params))


def canonical_pruner(part: Part) -> str | dict[str, Any]:
    """Return the one form of all that mean the same pruner; raises as :func:`pruner_of` does."""
    return canonical(pruners, part, PATH)
