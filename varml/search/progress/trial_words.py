"""A trial in a few words, for lines and tables."""

from __future__ import annotations

from typing import Any

from optuna.trial import FrozenTrial, TrialState

from varml.search.study import latency_of, value_of


def outcome_of(trial: FrozenTrial) -> str:
    """Return the value of a complete trial, and its latency where it is weighed, or the state of another."""
    # Optuna gives a pruned trial the last thing reported as its value, which here is one video.
    if trial.state == TrialState.COMPLETE:
        latency = latency_of(trial)
        return f"{value_of(trial):.3f}" + ("" if latency is None else f" in {latency:.1f} ms")
    return trial.state.name.lower()


def short_values(trial: FrozenTrial) -> str:
    """Return the values of a trial by the last parts of their paths."""
    return ", ".join(f"{path.rsplit('.', 1)[-1]} {_short(value)}" for path, value in trial.params.items())


def _short(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)
