"""Workers of a search are killed at random moments: whether the study ends with exactly its number of trials.

The stage itself runs with two workers on made-up features, and so many processes that run a trial get SIGKILL, at times
drawn from a seed. Then it is looked at what Optuna's journal and MLflow's database hold.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.trial import FrozenTrial, TrialState

from benchmarks.report import Figure
from benchmarks.search_memory import make_features
from benchmarks.search_project import run_search, set_values
from varml.search.parallel.claims import OWNER
from varml.search.parallel.storage import has_storage, open_storage
from varml.search.study import REASON, ended_trials
from varml.tracking.store import import_mlflow

NUM_TRIALS, NUM_KILLS, NUM_WORKERS = 40, 12, 2
# Long enough trials to be killed in.
VALUES = {"search.num_trials": NUM_TRIALS, "search.num_workers": NUM_WORKERS, "train.num_epochs": 40}
PAUSE_SEC = (0.5, 3.0)


def measure_kills(work: Path) -> list[Figure]:
    """Return what is left of a search whose workers were killed; it is run anew each time."""
    folder = work.resolve() / f"kills-{os.getpid()}"
    make_features(folder)
    set_values(folder / "params.yaml", VALUES)
    with killing(folder) as killed:
        searched = run_search(folder, threads=1)
    (study,) = _studies(folder)
    states, numbers = [trial.state for trial in study.trials], [trial.number for trial in study.trials]
    wanted, num_ended, runs = list(range(len(numbers))), len(ended_trials(study)), _trial_runs(folder)
    return [
        Figure("kills: of workers that ran a trial", len(killed), "", NUM_KILLS, at_least=True),
        Figure("kills: trials that ended and count, against the number asked for", abs(num_ended - NUM_TRIALS), "", 0),
        Figure("kills: trials left running", states.count(TrialState.RUNNING), "", 0),
        Figure("kills: trials that were interrupted and run again", len(_interrupted(study)), ""),
        Figure(
            "kills: whether a number is missing or given twice",
            int(sorted(numbers) != wanted),
            "",
            0,
        ),
        Figure("kills: MLflow runs of trials, against the number asked for", abs(len(runs) - NUM_TRIALS), "", 0),
        Figure("kills: MLflow runs left running", sum(run.info.status == "RUNNING" for run in runs), "", 0),
        Figure("kills: the whole search", searched.wall_sec, "s"),
    ]


@contextmanager
def killing(folder: Path) -> Iterator[list[int]]:
    """Kill workers beside the block, and yield their numbers as they come."""
    killed: list[int] = []
    over, draw = threading.Event(), random.Random(0)

    def kill() -> None:
        while len(killed) < NUM_KILLS and not over.wait(draw.uniform(*PAUSE_SEC)):
            owners = [trial.user_attrs.get(OWNER, {}).get("pid") for trial in _running(folder)]
            alive = [pid for pid in owners if pid and pid not in killed and psutil.pid_exists(pid)]
            if alive:
                pid = draw.choice(alive)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def _studies(folder: Path) -> list[optuna.Study]:
    studies = folder / ".varml" / "studies"
    if not has_storage(studies):
        return []
    storage = open_storage(studies).studies
    return [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]


def _running(folder: Path) -> list[FrozenTrial]:
    return [trial for study in _studies(folder) for trial in study.get_trials(states=(TrialState.RUNNING,))]


def _interrupted(study: optuna.Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(states=(TrialState.FAIL,)) if REASON not in trial.user_attrs]


def _trial_runs(folder: Path) -> list[Any]:
    client = import_mlflow().MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, "tags.`varml.kind` = 'trial'", max_results=1000))
