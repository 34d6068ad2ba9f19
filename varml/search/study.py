"""The Optuna study: a journal in ``.varml/``, which holds one for each space and whatever else trials depend on."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from varml.config.params import Params
from varml.errors import SearchError
from varml.search.pruning import PRUNINGS

JOURNAL = "optuna.journal"
# User attributes of a trial.
REASON = "reason"
LOSS = "log_loss"
FITTED = "fitted"
INTERRUPTED = "interrupted"
TAKEN_FROM = "taken_from"  # the study and the number that it was there
OWED = "owed"  # it is run though the study has its number of trials: its values are new
# User attribute of a study: numbers of failed trials that were tried again.
FORGIVEN = "forgiven"

SAMPLERS = {
    # So many trials come before the sampler learns, those of the first wave among them, which is usually longer.
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=8, multivariate=True, group=True),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}


def open_study(folder: Path, name: str, params: Params) -> optuna.Study:
    """Return the study ``name`` from the journal in ``folder``, created if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    storage = _journal(folder)
    with _experimental():
        pruner = PRUNINGS[params.search.pruner].make()
    return optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True, pruner=pruner
    )


def load_study(folder: Path, name: str) -> optuna.Study:
    """Return the study ``name`` from the journal in ``folder``; raises SearchError where there is none."""
    # Opening a journal would create its file.
    if (folder / JOURNAL).is_file():
        storage = _journal(folder)
        if name in optuna.get_all_study_names(storage):
            return optuna.load_study(study_name=name, storage=storage)
    raise SearchError(f"no search has begun with the present data, params and space ({name}); run `dvc repro` first")


def seed_sampler(study: optuna.Study, params: Params) -> None:
    """Seed the study's sampler from the seed and the number of trials that have ended.

    A sampler that is restarted with one seed would draw its first trials again.
    """
    seed = (params.seed * 1_000_003 + len(ended_trials(study))) % 2**32
    with _experimental():
        study.sampler = SAMPLERS[params.search.sampler](seed)


def reap(study: optuna.Study) -> None:
    """End the trials that an interrupted search left running, and put their params in the queue again."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        # A trial that died before it drew anything still has what it was queued with.
        values = trial.system_attrs.get("fixed_params") or trial.params
        if values:
            _enqueue_again(study, trial, values)
        study._storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)
        study.tell(trial.number, state=TrialState.FAIL)


def forgive(study: optuna.Study, max_failed: float) -> None:
    """Queue failed trials again where none is complete, or more than ``max_failed`` failed: the cause may be mended."""
    failed = failed_trials(study)
    if len(failed) > max_failed or not study.get_trials(states=(TrialState.COMPLETE,)):
        for trial in failed:
            _enqueue_again(study, trial, trial.params)
        # The storage lets nobody change a trial that has ended, so that the study says which do not count.
        study.set_user_attr(FORGIVEN, [*_forgiven(study), *(trial.number for trial in failed)])


def ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count: complete, pruned and failed, without the interrupted and the forgiven ones."""
    ended = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    forgiven = _forgiven(study)
    return [trial for trial in ended if not trial.user_attrs.get(INTERRUPTED) and trial.number not in forgiven]


def failed_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count and failed."""
    return [trial for trial in ended_trials(study) if trial.state == TrialState.FAIL]


def ranked_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the complete trials, best first."""
    return by_rank(study.get_trials(states=(TrialState.COMPLETE,)))


def by_rank(complete: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return trials that are ``complete``, best first: by value, then by loss, then the earlier."""
    return sorted(complete, key=lambda t: (-_value(t), t.user_attrs.get(LOSS, float("inf")), t.number))


def taken_over(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that the study has from others."""
    return [trial for trial in study.get_trials() if TAKEN_FROM in trial.user_attrs]


def enqueue_first(study: optuna.Study, wave: Iterable[Mapping[str, Any]]) -> None:
    """Put a first wave of values into the queue of a study in which nothing has begun yet, each once.

    In a study that has trials from others they are owed: run whatever the number of trials.
    """
    own = [trial for trial in study.get_trials() if TAKEN_FROM not in trial.user_attrs]
    if all(trial.state == TrialState.WAITING for trial in own):
        attributes = {OWED: True} if taken_over(study) else None
        for values in wave:
            study.enqueue_trial(dict(values), user_attrs=attributes, skip_if_exists=True)


def is_owed_a_trial(study: optuna.Study) -> bool:
    """Return whether new values wait that are to be run whatever the number of trials."""
    return any(OWED in trial.user_attrs for trial in study.get_trials(states=(TrialState.WAITING,)))


def _enqueue_again(study: optuna.Study, trial: FrozenTrial, values: Mapping[str, Any]) -> None:
    # Before the trial is marked: a kill in between runs it twice, the other order would lose it.
    study.enqueue_trial(dict(values), user_attrs={OWED: True} if OWED in trial.user_attrs else None)


def _forgiven(study: optuna.Study) -> list[int]:
    return list(study.user_attrs.get(FORGIVEN, []))


def _journal(folder: Path) -> JournalStorage:
    logging.getLogger("optuna").setLevel(logging.WARNING)
    return JournalStorage(JournalFileBackend(str(folder / JOURNAL)))


@contextmanager
def _experimental() -> Iterator[None]:
    # Optuna warns of options that it may change; the versions are pinned from below and the tests would see it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _value(trial: FrozenTrial) -> float:
    return float(trial.value) if trial.value is not None else float("-inf")
