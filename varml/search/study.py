"""The Optuna study: one for each space and whatever else trials depend on; which of its trials count, and for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from varml.config.params import Params
from varml.errors import SearchError
from varml.search.experimental import experimental
from varml.search.parallel.storage import has_storage, open_storage
from varml.search.pruners import make_pruner
from varml.search.samplers import make_sampler

# User attributes of a trial.
REASON = "reason"
LOSS = "log_loss"
FITTED = "fitted"
FOLD_SCORES = "fold_scores"
EPOCHS = "epochs"  # metrics of each epoch, the mean over folds
DEATHS = "deaths"  # how many processes have died with its values
TAKEN_FROM = "taken_from"  # the study and the number that it was there
OWED = "owed"  # it is run though the study has its number of trials: its values are new
# User attribute of a study: numbers of failed trials that were tried again.
FORGIVEN = "forgiven"


def open_study(storage: BaseStorage, name: str, params: Params) -> optuna.Study:
    """Return the study ``name``, created if need be."""
    directions = ["maximize", "minimize"] if params.search.weighs_latency else ["maximize"]
    study = optuna.create_study(
        storage=storage, study_name=name, directions=directions, load_if_exists=True, pruner=make_pruner(params)
    )
    if params.search.weighs_latency and not study.metric_names:
        with experimental():
            study.set_metric_names(params.search.objectives)
    return study


def load_study(folder: Path, name: str) -> optuna.Study:
    """Return the study ``name`` from where studies are kept; raises SearchError where there is none."""
    if has_storage(folder):
        storage = open_storage(folder).studies
        if name in optuna.get_all_study_names(storage):
            return optuna.load_study(study_name=name, storage=storage)
    raise SearchError(f"no search has begun with the present data, params and space ({name}); run `dvc repro` first")


def seed_sampler(study: optuna.Study, params: Params) -> None:
    """Seed the study's sampler from the seed and the number of the next trial; only under the study's lock.

    A sampler that is restarted with one seed would draw its first trials again, and so would one in each worker.
    """
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    number = waiting[0].number if waiting else len(study.get_trials(deepcopy=False))
    seed = (params.seed * 1_000_003 + number) % 2**32
    study.sampler = make_sampler(params.search.sampler, seed)


def forgive(study: optuna.Study, max_failed: float) -> None:
    """Queue failed trials again where none is complete, or more than ``max_failed`` failed: the cause may be mended.

    While others are at work on the study nothing is mended yet.
    """
    failed, complete = failed_trials(study), study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    at_work = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    if failed and not at_work and (len(failed) > max_failed or not complete):
        for trial in failed:
            queue_again(study, trial)
        # The storage lets nobody change a trial that has ended, so that the study says which do not count.
        study.set_user_attr(FORGIVEN, [*_forgiven(study), *(trial.number for trial in failed)])


def queue_again(study: optuna.Study, trial: FrozenTrial, deaths: int = 0) -> None:
    """Queue the values of ``trial`` once more, with which so many processes have died.

    It is to be called before the trial is ended: a kill in between runs the values twice, the other order loses them.
    """
    # A trial that died before it drew anything still has what it was queued with.
    values = trial.system_attrs.get("fixed_params") or trial.params
    if values:
        owed = {OWED: True} if OWED in trial.user_attrs else {}
        study.enqueue_trial(dict(values), user_attrs={**owed, **({DEATHS: deaths} if deaths else {})})


def ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count: complete, pruned and failed, without the forgiven ones.

    One that has failed without a reason was interrupted, and does not count either.
    """
    forgiven = _forgiven(study)
    return [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
        if trial.number not in forgiven and (trial.state != TrialState.FAIL or REASON in trial.user_attrs)
    ]


def failed_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count and failed."""
    return [trial for trial in ended_trials(study) if trial.state == TrialState.FAIL]


def ranked_trials(study: optuna.Study, budget_ms: float | None = None) -> list[FrozenTrial]:
    """Return the complete trials within a budget of latency, best first: by value, then by loss, then the earlier."""
    return by_rank(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)), budget_ms)


def by_rank(complete: Iterable[FrozenTrial], budget_ms: float | None = None) -> list[FrozenTrial]:
    """Return those of the ``complete`` trials that are within a budget of latency, best first."""
    within = [trial for trial in complete if is_within(trial, budget_ms)]
    return sorted(within, key=lambda t: (-value_of(t), t.user_attrs.get(LOSS, float("inf")), t.number))


def value_of(trial: FrozenTrial) -> float:
    """Return the metric that a complete trial reached."""
    return float(trial.values[0])


def latency_of(trial: FrozenTrial) -> float | None:
    """Return the latency in ms of a complete trial, or None where its study does not weigh it."""
    return float(trial.values[1]) if len(trial.values) > 1 else None


def is_within(trial: FrozenTrial, budget_ms: float | None) -> bool:
    """Return whether a complete trial takes no longer than the budget, if there is one."""
    latency = latency_of(trial)
    return budget_ms is None or latency is None or latency <= budget_ms


def taken_over(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that the study has from others."""
    return [trial for trial in study.get_trials(deepcopy=False) if TAKEN_FROM in trial.user_attrs]


def enqueue_first(study: optuna.Study, wave: Iterable[Mapping[str, Any]]) -> None:
    """Put a first wave of values into the queue of a study in which nothing has begun yet, each once.

    In a study that has trials from others they are owed: run whatever the number of trials.
    """
    own = [trial for trial in study.get_trials(deepcopy=False) if TAKEN_FROM not in trial.user_attrs]
    if all(trial.state == TrialState.WAITING for trial in own):
        attributes = {OWED: True} if taken_over(study) else None
        for values in wave:
            study.enqueue_trial(dict(values), user_attrs=attributes, skip_if_exists=True)


def is_owed_a_trial(study: optuna.Study) -> bool:
    """Return whether new values wait that are to be run whatever the number of trials."""
    return any(OWED in trial.user_attrs for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def commonest_reason(trials: list[FrozenTrial]) -> str:
    """Return how most of the ``trials`` ended that gave no value, and how many did."""
    reasons = Counter(str(trial.user_attrs.get(REASON, trial.state.name)) for trial in trials)
    reason, count = reasons.most_common(1)[0]
    return f"{count} of {len(trials)} ended with: {reason}"


def _forgiven(study: optuna.Study) -> list[int]:
    return list(study.user_attrs.get(FORGIVEN, []))
