"""Which trials are confirmed end to end."""

from __future__ import annotations

from collections.abc import Iterable

from optuna.trial import FrozenTrial, TrialState

from varml.config.params import Params
from varml.config.space import apply_values
from varml.search.study import by_rank


def confirmed_trials(trials: Iterable[FrozenTrial], params: Params) -> list[FrozenTrial]:
    """Return the ``search.confirm.top_k`` best of the complete trials and the best one of each fusion, best first.

    A budget of latency leaves out what takes longer.

    Each fusion, because frozen features may misjudge a stream: those of flow come from a network that was never shown
    flow. Trials of equal values give equal trainings, so that the first of them stands for all.
    """
    complete = (trial for trial in trials if trial.state == TrialState.COMPLETE)
    ranked = _distinct(by_rank(complete, params.search.latency_budget_ms))
    chosen, seen = [], set[str]()
    for place, trial in enumerate(ranked):
        fusion = apply_values(params, trial.params).model.fusion
        if place < params.search.confirm.top_k or fusion not in seen:
            chosen.append(trial)
        seen.add(fusion)
    return chosen


def _distinct(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    values = [trial.params for trial in trials]
    return [trial for place, trial in enumerate(trials) if trial.params not in values[:place]]
