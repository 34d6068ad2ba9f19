"""Trials as MLflow runs: one child run each, written when the trial has ended, with its true status and times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

import optuna
from optuna.trial import FrozenTrial, TrialState

from varml.search.objective import TrialResult
from varml.search.study import REASON, TAKEN_FROM, ended_trials
from varml.search.trial_words import outcome_of
from varml.tracking.runs import KIND, Point, Status, TrackedRun, children, create_run

TRIAL = "varml.trial"
STATUS: Mapping[TrialState, Status] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
}


def log_missing_trials(study: optuna.Study, parent: TrackedRun, experiment: str) -> None:
    """Log each ended trial that has no child run yet; its epoch curves went with the process that computed them."""
    logged = {run.data.tags.get(TRIAL) for run in children(parent)}
    for trial in ended_trials(study):
        if str(trial.number) not in logged:
            log_trial(trial, parent, experiment, None)


def log_trial(trial: FrozenTrial, parent: TrackedRun, experiment: str, result: TrialResult | None) -> None:
    """Write one child run for an ended trial."""
    tags = {KIND: "trial", TRIAL: str(trial.number), "varml.state": trial.state.name}
    if REASON in trial.user_attrs:
        tags["varml.reason"] = trial.user_attrs[REASON]
    if TAKEN_FROM in trial.user_attrs:
        tags["varml.taken_from"] = trial.user_attrs[TAKEN_FROM]
    name = _name(trial)
    run = create_run(experiment, name, tags, parent=parent, start_time_ms=_milliseconds(trial.datetime_start))
    run.log_params(trial.params)
    run.log_curves(_points(trial, result))
    run.finish(STATUS[trial.state], _milliseconds(trial.datetime_complete))


def _name(trial: FrozenTrial) -> str:
    # Readable in a list of runs: number, the chosen names and depths, value.
    chosen = [str(value) for value in trial.params.values() if not isinstance(value, float)]
    return " ".join([f"#{trial.number:03d}", *chosen, outcome_of(trial)])


def _points(trial: FrozenTrial, result: TrialResult | None) -> list[Point]:
    points: list[Point] = []
    if trial.state == TrialState.COMPLETE and trial.value is not None:
        points.append(("value", trial.value, 0))
    if result is None:
        return points
    points += [("fold_score", score, fold) for fold, score in enumerate(result.fold_scores)]
    means: dict[tuple[str, int], list[float]] = defaultdict(list)
    for epochs in result.fold_epochs:
        for epoch, metrics in enumerate(epochs):
            for key, value in metrics.items():
                means[key, epoch].append(value)
    return points + [(key, sum(values) / len(values), epoch) for (key, epoch), values in means.items()]


def _milliseconds(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp() * 1000)
