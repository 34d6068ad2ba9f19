"""Studies that are made up in memory, with a space as a user writes one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import optuna
from optuna.trial import TrialState

from varml.search.study import REASON

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
FUSIONS = ["rgb", "flow", "concat", "cross_attention", "late"]


def make_study(
    states: Sequence[TrialState], *, directions: Sequence[str] = ("maximize",), constant: bool = False
) -> optuna.Study:
    """Return a study whose trials ended in ``states``: ``model.fusion`` alone decides the first of their values.

    ``model.attention.kind`` is there where ``model.attention.depth`` is not 0, which decides the second value.
    """
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(study_name="made", directions=list(directions), sampler=sampler)
    for state in states:
        trial = study.ask()
        trial.suggest_categorical("model.backbone", ["tf_efficientnet_lite0", "tf_efficientnet_lite1"])
        depth = trial.suggest_int("model.attention.depth", 0, 3)
        if depth:
            trial.suggest_categorical("model.attention.kind", ["temporal", "divided", "joint"])
        fusion = trial.suggest_categorical("model.fusion", FUSIONS)
        trial.suggest_float("train.lr", 1e-4, 1e-2, log=True)
        trial.suggest_categorical("train.mirror", [True, False])
        if state == FAIL:
            trial.set_user_attr(REASON, "broken")
        noise = np.random.default_rng(trial.number).normal()
        values = [0.5 if constant else 0.9 - 0.2 * (fusion in FUSIONS[:2]) + 0.01 * noise, 20 + 30.0 * depth]
        study.tell(trial, values[: len(directions)] if state == COMPLETE else None, state=state)
    return study
