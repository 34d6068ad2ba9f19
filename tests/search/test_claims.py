"""Which process runs which trial, and which are given up for dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from searching import open_study

from varml.config import Params
from varml.search.parallel.claims import MAX_DEATHS, OWNER, death_reason, reap, take_trial
from varml.search.study import DEATHS, ended_trials, queue_again


@pytest.fixture
def study(tmp_path: Path, params: Params) -> optuna.Study:
    return open_study(tmp_path, "one", params)


def taken_by(study: optuna.Study, **owner: Any) -> int:
    """Take a trial and let it belong to a process like this one but for ``owner``."""
    trial = take_trial(study)
    trial.suggest_float("lr", 0, 1)
    trial.set_user_attr(OWNER, {**trial.user_attrs[OWNER], **owner})
    return trial.number


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def test_a_trial_of_a_living_process_is_left_alone(study: optuna.Study) -> None:
    taken_by(study)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        taken_by(study, pid=process.pid, started=psutil.Process(process.pid).create_time())
        reap(study)
        assert states(study) == ["RUNNING", "RUNNING"]
    finally:
        process.kill()
        process.wait()
    reap(study)
    assert states(study) == ["RUNNING", "FAIL", "WAITING"]


def test_a_process_that_ended_and_was_not_waited_for_is_dead(study: optuna.Study) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    taken_by(study, pid=process.pid, started=psutil.Process(process.pid).create_time())
    os.kill(process.pid, signal.SIGKILL)
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    reap(study)
    assert states(study) == ["FAIL", "WAITING"]
    process.wait()


def test_another_process_under_the_same_number_is_not_the_one_that_ran_it(study: optuna.Study) -> None:
    taken_by(study, started=psutil.Process().create_time() - 100)
    reap(study)
    assert states(study) == ["FAIL", "WAITING"]


def test_what_ran_before_the_machine_was_started_anew_is_dead(study: optuna.Study) -> None:
    taken_by(study, machine="this one, before")
    reap(study)
    assert states(study) == ["FAIL", "WAITING"]


def test_a_trial_that_was_taken_by_a_process_that_died_there_is_nobodys(study: optuna.Study) -> None:
    study.enqueue_trial({"lr": 0.5})
    study.ask()
    reap(study)
    assert states(study) == ["FAIL", "WAITING"]
    assert take_trial(study).suggest_float("lr", 0, 1) == 0.5


def test_deaths_add_up_and_end_the_values_in_time(study: optuna.Study) -> None:
    for death in range(MAX_DEATHS):
        number = taken_by(study, started=0.0)
        assert study.trials[number].user_attrs.get(DEATHS, 0) == death
        reap(study)
    assert ended_trials(study) == []
    assert (
        death_reason(take_trial(study))
        == f"the process that ran it has died {MAX_DEATHS} times: a crash, a kill, or no memory left"
    )


def test_a_failure_that_is_forgiven_keeps_its_deaths_out_of_the_count(study: optuna.Study) -> None:
    study.enqueue_trial({"lr": 0.5}, user_attrs={DEATHS: 2})
    trial = take_trial(study)
    queue_again(study, study.trials[trial.number])
    assert death_reason(take_trial(study)) is None
