"""Trials as MLflow runs: one child run each, written when the trial has ended, with its true status and times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from varml.config.objectives import LATENCY
from varml.search.progress.trial_words import outcome_of
from varml.search.study import EPOCHS, FOLD_SCORES, REASON, TAKEN_FROM, latency_of, value_of
from varml.tracking.runs import KIND, Point, Status, TrackedRun, create_run

TRIAL = "varml.trial"
STATUS: Mapping[TrialState, Status] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
}


def log_trial(trial: FrozenTrial, parent: TrackedRun, experiment: str) -> None:
    """Write one child run for an ended trial."""
    tags = {KIND: "trial", TRIAL: str(trial.number), "varml.state": trial.state.name}
    if REASON in trial.user_attrs:
        tags["varml.reason"] = trial.user_attrs[REASON]
    if TAKEN_FROM in trial.user_attrs:
        tags["varml.taken_from"] = trial.user_attrs[TAKEN_FROM]
    name = _name(trial)
    run = create_run(experiment, name, tags, parent=parent, start_time_ms=_milliseconds(trial.datetime_start))
    run.log_batch(trial.params, _points(trial))
    run.finish(STATUS[trial.state], _milliseconds(trial.datetime_complete))


def _name(trial: FrozenTrial) -> str:
    # Readable in a list of runs: number, the chosen names and depths, value.
    chosen = [str(value) for value in trial.params.values() if not isinstance(value, float)]
    return " ".join([f"#{trial.number:03d}", *chosen, outcome_of(trial)])


def _points(trial: FrozenTrial) -> list[Point]:
    points: list[Point] = []
    if trial.state == TrialState.COMPLETE:
        points.append(("value", value_of(trial), 0))
        latency = latency_of(trial)
        points += [] if latency is None else [(LATENCY, latency, 0)]
    points += [("fold_score", score, fold) for fold, score in enumerate(trial.user_attrs.get(FOLD_SCORES, []))]
    return points + curve_points(trial.user_attrs.get(EPOCHS, {}))


def curve_points(curves: Mapping[str, Sequence[float]]) -> list[Point]:
    """Return the points of metrics that have a value for each epoch."""
    return [(name, value, epoch) for name, values in curves.items() for epoch, value in enumerate(values)]


def _milliseconds(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp() * 1000)
