"""Who runs which trial: workers take trials in turn, so that a study gets exactly the number that it is to have.

A trial belongs to the process that took it, until it ends or its process does. What a dead process has left is queued
again with its values, by whoever takes a trial next; values whose processes keep dying are given up.
"""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Event, Thread
from typing import Any

import optuna
import psutil
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from varml.search.experimental import experimental
from varml.search.parallel.storage import HEARTBEAT_SEC
from varml.search.study import DEATHS, REASON, queue_again

# User attribute of a trial: who runs it.
OWNER = "worker"
# A trial that has ended so many processes has more to do with it than chance.
MAX_DEATHS = 3

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def take_trial(study: optuna.Study) -> optuna.Trial:
    """Return the next trial, which is this process's from now on; only under the study's lock."""
    with warnings.catch_warnings():
        # Signs of life are seen to here.
        warnings.filterwarnings("ignore", "Heartbeat of storage", UserWarning)
        trial = study.ask()
    trial.set_user_attr(OWNER, _this_process())
    _beat(study._storage, trial._trial_id)
    return trial


def death_reason(trial: optuna.Trial) -> str | None:
    """Return why values are given up that have ended :data:`MAX_DEATHS` processes, or None where they have not."""
    deaths = trial.user_attrs.get(DEATHS, 0)
    if deaths < MAX_DEATHS:
        return None
    return f"the process that ran it has died {deaths} times: a crash, a kill, or no memory left"


def give_back(study: optuna.Study, trial: optuna.Trial) -> None:
    """Queue the values of a trial that this process runs and will not end; only under the study's lock."""
    _end(study, study.get_trials(deepcopy=False)[trial.number], died=False)


def reap(study: optuna.Study) -> None:
    """End the trials whose processes are gone, and queue their values again; only under the study's lock."""
    with experimental():
        optuna.storages.fail_stale_trials(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_dead(trial.user_attrs.get(OWNER), study._storage):
            _end(study, trial, died=True)


def crashed(study: optuna.Study, pid: int, reason: str) -> None:
    """Let the trial of this machine's process ``pid``, which has crashed, fail; only under the study's lock."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        owner = trial.user_attrs.get(OWNER) or {}
        if (owner.get("machine"), owner.get("pid")) == (_machine(), pid):
            study._storage.set_trial_user_attr(trial._trial_id, REASON, reason)
            study.tell(trial.number, state=TrialState.FAIL)


def queue_stale(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue again a trial that the storage has ended, because its worker on another machine gave no sign."""
    queue_again(study, trial, trial.user_attrs.get(DEATHS, 0) + 1)


def _end(study: optuna.Study, trial: FrozenTrial, *, died: bool) -> None:
    queue_again(study, trial, trial.user_attrs.get(DEATHS, 0) + died)
    # Without a reason: by that it is known not to count.
    study.tell(trial.number, state=TrialState.FAIL)


@contextmanager
def alive(study: optuna.Study, trial: optuna.Trial) -> Iterator[None]:
    """Give a sign of life for ``trial`` now and then, where the storage keeps them, for workers on other machines."""
    ended = Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SEC):
            _beat(study._storage, trial._trial_id)

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(storage: BaseStorage, trial_id: int) -> None:
    # A database that is away for a moment is back for the next beat.
    if _is_shared(storage):
        with suppress(SQLAlchemyError):
            storage.record_heartbeat(trial_id)


def _is_shared(storage: BaseStorage) -> bool:
    """Return whether workers on several machines may use the storage; a journal is of one machine."""
    return hasattr(storage, "record_heartbeat")


def _this_process() -> dict[str, Any]:
    return {"machine": _machine(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def _is_dead(owner: dict[str, Any] | None, storage: BaseStorage) -> bool:
    # Trials are taken under a lock, so that one that is nobody's was taken by a process that died there.
    if owner is None:
        return True
    if owner["machine"] != _machine():
        # Of a shared storage silence decides; a journal's one machine was another one before it was started anew.
        return not _is_shared(storage)
    try:
        process = psutil.Process(owner["pid"])
        # A number is given to another process after a while; a zombie is dead.
        return process.create_time() != owner["started"] or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return what tells this machine from others, also from containers on it, and from itself before a restart."""
    boot = _BOOT.read_text().strip() if _BOOT.is_file() else f"{psutil.boot_time():.0f}"
    return f"{platform.node()} {boot}"
