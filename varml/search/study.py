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
from varml.search.pruning import PRUNINGS
from varml.search.storage import experimental, has_storage, open_storage

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

SAMPLERS = {
    # So many trials come before the sampler learns, those of the first wave among them, which is usually longer.
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=8, multivariate=True, group=True),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}


def open_study(storage: BaseStorage, name: str, params: Params) -> optuna.Study:
    """Return the study ``name``, created if need be."""
    with experimental():
        pruner = PRUNINGS[params.search.pruner].make()
    return optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True, pruner=pruner
    )


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
    with experimental():
        study.sampler = SAMPLERS[params.search.sampler](seed)


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


def ranked_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the complete trials, best first."""
    return by_rank(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def by_rank(complete: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return trials that are ``complete``, best first: by value, then by loss, then the earlier."""
    return sorted(complete, key=lambda t: (-_value(t), t.user_attrs.get(LOSS, float("inf")), t.number))


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


def outcome_of(trial: FrozenTrial) -> str:
    """Return the value of a complete trial, or the state of another."""
    # Optuna gives a pruned trial the last thing reported as its value, which here is one video.
    if trial.state == TrialState.COMPLETE:
        return f"{trial.value:.3f}"
    return trial.state.name.lower()


def commonest_reason(trials: list[FrozenTrial]) -> str:
    """Return how most of the ``trials`` ended that gave no value, and how many did."""
    reasons = Counter(str(trial.user_attrs.get(REASON, trial.state.name)) for trial in trials)
    reason, count = reasons.most_common(1)[0]
    return f"{count} of {len(trials)} ended with: {reason}"


def _forgiven(study: optuna.Study) -> list[int]:
    return list(study.user_attrs.get(FORGIVEN, []))


def _value(trial: FrozenTrial) -> float:
    return float(trial.value) if trial.value is not None else float("-inf")
