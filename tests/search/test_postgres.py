"""Studies in PostgreSQL, as workers on several machines share them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState
from planted import Planted
from postgres import server, why_not
from searching import next_name, search_with, terms_of, trial_runs
from test_workers import another_search, has_begun, wait_for

from varml.config import Params
from varml.config.space import apply_values
from varml.search.objective import TrialResult
from varml.search.parallel import claims, storage
from varml.search.parallel.claims import OWNER
from varml.search.parallel.shared_study import SharedStudy, Work
from varml.search.parallel.storage import VARIABLE
from varml.search.study import DEATHS

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with server() as found:
        yield found


@pytest.fixture(autouse=True)
def in_postgres(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, address)


@pytest.fixture(scope="module")
def small(searched: Params) -> Params:
    return apply_values(searched, {"search.num_trials": 6})


def shared_study(params: Params, folder: Path, name: str) -> SharedStudy:
    # Of terms of its own: nothing is to come from the studies of other tests.
    terms = replace(terms_of(params), evaluation=name)
    return SharedStudy.open(Work(params, folder, name, terms, Planted(params)))


def test_two_projects_share_one_study_and_one_parent_run(small: Params, project: Path, tmp_path: Path) -> None:
    name = next_name()
    with another_search(small, tmp_path / "there", name) as process:
        wait_for(lambda: has_begun(tmp_path, name))
        made = search_with(Planted(small, seconds=0.3, parent=0), small, tmp_path / "here", name)
        assert process.wait(timeout=240) == 0
    assert not list(tmp_path.glob("**/optuna.journal"))
    study = shared_study(small, tmp_path, name).study
    assert [trial.number for trial in study.trials] == list(range(6))
    assert len({trial.user_attrs[OWNER]["pid"] for trial in study.trials}) == 2
    assert set(trial_runs(made.parent)) == set(range(6))
    runs = made.parent.client.search_runs(
        [made.parent.client.get_run(made.parent.run_id).info.experiment_id], f"tags.`varml.study` = '{name}'"
    )
    assert [run.info.run_id for run in runs] == [made.parent.run_id]


def test_a_worker_of_another_machine_that_falls_silent_is_replaced(
    small: Params, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "HEARTBEAT_SEC", 1)
    monkeypatch.setattr(storage, "GRACE_SEC", 1)
    monkeypatch.setattr(claims, "HEARTBEAT_SEC", 0.2)
    name = next_name()
    monkeypatch.setattr(claims, "_machine", lambda: "elsewhere")
    there = shared_study(small, tmp_path, name)
    lost = there.next_trial()
    assert lost is not None
    monkeypatch.setattr(claims, "_machine", lambda: "here")
    here = shared_study(small, tmp_path, name)
    assert here.study.trials[lost.number].state == TrialState.RUNNING  # it may be alive
    other = here.next_trial()
    assert other is not None
    assert other.number != lost.number
    with claims.alive(here.study, other):
        time.sleep(2.5)  # no sign of life from elsewhere all that time
        here.next_trial()
    assert here.study.trials[other.number].state == TrialState.RUNNING
    (again,) = [trial for trial in here.study.trials if trial.user_attrs.get(DEATHS) == 1]
    assert again.state == TrialState.WAITING
    assert again.system_attrs["fixed_params"] == here.study.trials[lost.number].system_attrs["fixed_params"]
    assert [trial.state.name for trial in here.study.trials[:2]] == ["FAIL", "RUNNING"]
    there.finish(lost, TrialResult({}, np.zeros((1, 2)), fold_scores=[1.0], fold_losses=[0.5]))  # too late
    assert here.study.trials[lost.number].state == TrialState.FAIL
