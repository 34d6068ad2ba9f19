"""Searches by several processes: exactly the number of trials, each once, whoever is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import optuna
import psutil
import pytest
from optuna.trial import TrialState
from planted import NoStart, Planted, crash, full_disk, killed
from searching import Made, next_name, search_with, trial_runs, written

from varml.config import Params
from varml.config.space import apply_values
from varml.errors import EngineError, SearchError
from varml.search.parallel.claims import OWNER
from varml.search.study import load_study

NUM_TRIALS = 8
ALL_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@pytest.fixture(scope="module")
def by_two(searched: Params) -> Params:
    return apply_values(searched, {"search.num_workers": 2, "search.num_trials": NUM_TRIALS})


def check(made: Made, num_trials: int = NUM_TRIALS) -> optuna.Study:
    """Check that a search has all its trials, that nothing is left running, and that each has one run."""
    study = load_study(made.folder, made.name)
    assert [trial.number for trial in study.trials] == list(range(len(study.trials)))
    assert {trial.state for trial in study.trials} <= {*ALL_ENDED, TrialState.WAITING}
    assert len(made.result.trials) == num_trials
    runs = trial_runs(made.parent)
    assert set(runs) == {trial.number for trial in made.result.trials}
    assert "RUNNING" not in {run.info.status for run in runs.values()}
    return study


# Working together.


def test_two_workers_share_the_trials_and_run_each_once(by_two: Params, project: Path, tmp_path: Path) -> None:
    made = search_with(Planted(by_two, seconds=0.1), by_two, tmp_path)
    study = check(made)
    assert len(study.trials) == NUM_TRIALS
    owners = {trial.user_attrs[OWNER]["pid"] for trial in study.trials}
    assert len(owners) == 2
    assert os.getpid() not in owners
    sampled = [tuple(trial.params.items()) for trial in study.trials]
    assert len(set(sampled)) == NUM_TRIALS  # workers that ask at the same time do not draw the same


def test_what_a_trial_gives_does_not_depend_on_who_runs_it(by_two: Params, project: Path, tmp_path: Path) -> None:
    shared = search_with(Planted(by_two), by_two, tmp_path / "two")
    alone = apply_values(by_two, {"search.num_workers": 1})
    single = search_with(Planted(alone), alone, tmp_path / "one")
    values = {tuple(trial.params.items()): trial.value for trial in single.result.trials}
    same = [trial for trial in shared.result.trials if tuple(trial.params.items()) in values]
    assert len(same) >= 5  # of the first wave
    complete = [trial for trial in same if trial.state == TrialState.COMPLETE]
    assert all(trial.value == values[tuple(trial.params.items())] for trial in complete)


def test_a_search_that_is_complete_starts_no_worker(by_two: Params, project: Path, tmp_path: Path) -> None:
    made = search_with(Planted(by_two), by_two, tmp_path)
    again = search_with(NoStart(by_two), by_two, tmp_path, made.name)
    assert written(again, by_two, tmp_path / "again") == written(made, by_two, tmp_path / "made")


# Killing.


@contextmanager
def killing(folder: Path, name: str, count: int) -> Iterator[list[int]]:
    """Kill so many workers beside the block, at random moments while they run a trial, and yield their pids."""
    over, pids, draw = Event(), [], random.Random(0)

    def kill() -> None:
        while len(pids) < count and not over.wait(draw.uniform(0.05, 0.6)):
            for trial in _running(folder, name):
                pid = trial.user_attrs.get(OWNER, {}).get("pid")
                if pid and pid not in pids and psutil.pid_exists(pid):
                    os.kill(pid, signal.SIGKILL)
                    pids.append(pid)
                    break

    thread = Thread(target=kill)
    thread.start()
    try:
        yield pids
    finally:
        over.set()
        thread.join()


def _running(folder: Path, name: str) -> list[optuna.trial.FrozenTrial]:
    try:
        return load_study(folder, name).get_trials(states=(TrialState.RUNNING,))
    except SearchError:
        return []


def test_killed_workers_are_replaced_and_no_trial_is_lost(by_two: Params, project: Path, tmp_path: Path) -> None:
    name = next_name()
    with killing(tmp_path, name, 3) as pids:
        made = search_with(Planted(by_two, seconds=0.5), by_two, tmp_path, name)
    assert len(pids) == 3
    study = check(made)
    interrupted = [
        trial for trial in study.trials if trial.state == TrialState.FAIL and "reason" not in trial.user_attrs
    ]
    assert len(interrupted) == 3
    # One that was killed while it drew its values had not all of them yet.
    tried_again = [trial.params.items() for trial in made.result.trials]
    assert all(any(trial.params.items() <= tried for tried in tried_again) for trial in interrupted)


def test_a_crash_is_a_failed_trial_with_its_signal(by_two: Params, project: Path, tmp_path: Path) -> None:
    made = search_with(Planted(by_two, {"broken": crash}), by_two, tmp_path)
    check(made)
    for trial in made.result.trials:
        broken = trial.params["model.backbone"] == "broken"
        assert trial.user_attrs.get("reason") == ("its process ended by SIGSEGV" if broken else None)
    assert "broken" in {trial.params["model.backbone"] for trial in made.result.trials}


def test_values_that_always_kill_their_process_fail_in_the_end(by_two: Params, project: Path, tmp_path: Path) -> None:
    only = {"model": {"backbone": {"choices": ["small", "broken"]}}}
    few = apply_values(by_two, {"search.space": only, "search.num_trials": 2})
    made = search_with(Planted(few, {"broken": killed}), few, tmp_path)
    study = check(made, num_trials=2)
    reasons = {trial.params["model.backbone"]: trial.user_attrs.get("reason", "") for trial in made.result.trials}
    assert "has died 3 times" in reasons["broken"]
    assert reasons["small"] == ""
    assert sum(trial.params.get("model.backbone") == "broken" for trial in study.trials) >= 3


def test_workers_that_never_begin_end_the_search(by_two: Params, project: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"3 in a row ended before, the last one with status 7; mend"):
        search_with(NoStart(by_two), by_two, tmp_path)


def test_a_fault_of_the_machine_in_a_worker_ends_the_search(by_two: Params, project: Path, tmp_path: Path) -> None:
    name = next_name()
    with pytest.raises(OSError, match="disk full"):
        search_with(Planted(by_two, {"large": full_disk}), by_two, tmp_path, name)
    check(search_with(Planted(by_two), by_two, tmp_path, name))


def test_too_many_failures_end_a_search_by_workers(by_two: Params, project: Path, tmp_path: Path) -> None:
    strict = apply_values(by_two, {"search.max_failed_fraction": 0.0})
    with pytest.raises(SearchError, match="allows 0 trials to fail; 1 of 1 ended with: its process ended by SIGSEGV"):
        search_with(Planted(strict, {"broken": crash}), strict, tmp_path)


# Killing the parent, and two searches at once, from outside.

RUN = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from planted import Planted
from searching import search_with
from varml.config import Params
if __name__ == "__main__":
    params = Params.model_validate_json(Path({params!r}).read_text())
    made = search_with(Planted(params, seconds=0.3), params, Path({folder!r}), {name!r})
    print(len(made.result.trials))
"""


@contextmanager
def another_search(params: Params, folder: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that searches; it is killed after the block."""
    folder.mkdir(exist_ok=True)
    (folder / "params.json").write_text(params.model_dump_json(by_alias=True))
    script = folder / "run.py"
    path = [str(Path(__file__).parent)]
    script.write_text(RUN.format(path=path, params=str(folder / "params.json"), folder=str(folder), name=name))
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def has_begun(folder: Path, name: str) -> bool:
    """Return whether somebody has taken a trial of a study."""
    try:
        return any(OWNER in trial.user_attrs for trial in load_study(folder, name).trials)
    except SearchError:
        return False


def wait_for(condition: object, limit_sec: float = 240) -> None:
    assert callable(condition)
    until = time.monotonic() + limit_sec
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


def test_no_worker_outlives_a_killed_search_and_the_next_one_completes_it(
    by_two: Params, project: Path, tmp_path: Path
) -> None:
    name = next_name()
    with another_search(by_two, tmp_path, name) as process:
        wait_for(lambda: len(_running(tmp_path, name)) == 2)
        workers = [psutil.Process(trial.user_attrs[OWNER]["pid"]) for trial in _running(tmp_path, name)]
        process.kill()
    psutil.wait_procs(workers, timeout=20)
    assert not any(worker.is_running() for worker in workers)
    study = check(search_with(Planted(by_two), by_two, tmp_path, name))
    assert len(study.trials) > NUM_TRIALS


def test_two_searches_at_once_share_one_study(by_two: Params, project: Path, tmp_path: Path) -> None:
    name = next_name()
    alone = apply_values(by_two, {"search.num_workers": 1})
    with another_search(alone, tmp_path, name) as process:
        wait_for(lambda: has_begun(tmp_path, name))
        made = search_with(Planted(alone, seconds=0.3, parent=0), alone, tmp_path, name)
        assert process.wait(timeout=240) == 0
        assert process.communicate()[0].splitlines()[-1] == str(NUM_TRIALS)
    study = check(made)
    assert len(study.trials) == NUM_TRIALS
    assert len({trial.user_attrs[OWNER]["pid"] for trial in study.trials}) == 2
