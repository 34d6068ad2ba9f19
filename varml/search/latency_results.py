"""What a search that weighs latency says of it in its outs; of other searches there is nothing to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from varml.config.objectives import LATENCY
from varml.config.params import Params
from varml.search.run import SearchResult
from varml.search.study import latency_of, value_of

BUDGET = "latency_budget_ms"
PARETO = "pareto"


def latency_rule(result: SearchResult, params: Params) -> dict[str, Any]:
    """Return what best.yaml says of all trials: the budget, and Pareto's front from the fastest to the best."""
    if not result.front:
        return {}
    budget = params.search.latency_budget_ms
    front = sorted(result.front, key=lambda trial: (latency_of(trial) or 0.0, trial.number))
    entries = [{"trial": one.number, LATENCY: latency_of(one), "value": round(value_of(one), 6)} for one in front]
    return {**({} if budget is None else {BUDGET: budget}), "pareto_front": entries}


def latency_entry(result: SearchResult, number: int) -> dict[str, Any]:
    """Return what best.yaml says of the trial of that number: its latency, and whether it is on Pareto's front."""
    (trial,) = (trial for trial in result.trials if trial.number == number)
    latency = latency_of(trial)
    return {} if latency is None else {LATENCY: latency, PARETO: number in _numbers(result.front)}


def latency_columns(trial: FrozenTrial, front: Sequence[FrozenTrial] | None) -> dict[str, Any]:
    """Return what trials.csv says of an ended trial, both None where it is not complete."""
    if not front:
        return {}
    if trial.state != TrialState.COMPLETE:
        return {LATENCY: None, PARETO: None}
    return {LATENCY: latency_of(trial), PARETO: trial.number in _numbers(front)}


def _numbers(trials: Sequence[FrozenTrial]) -> set[int]:
    return {trial.number for trial in trials}
