"""Runs in a real store: each gets its final status, a killed writer's are put in order, those of others are left."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from project import Project

from varml.tracking.runs import (
    KIND,
    MODEL_DIGEST,
    TrackedRun,
    children,
    create_run,
    delete_unfinished_children,
    find_own_run,
    find_run,
    reap_runs,
    tracked,
    training_run,
)

pytestmark = pytest.mark.usefixtures("project")


def status_of(run: TrackedRun) -> str:
    return str(run.client.get_run(run.run_id).info.status)


def data_of(run: TrackedRun) -> Any:
    return run.client.get_run(run.run_id).data


@contextmanager
def elsewhere(root: Path) -> Iterator[None]:
    """Be another project that writes to the same store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
        patch.setenv("DVC_ROOT", str(root / "another"))
        yield


# The final status.


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("a defect"), "FAILED"), (SystemExit(1), "FAILED"), (KeyboardInterrupt(), "KILLED")],
)
def test_a_run_that_is_broken_off_says_so(name: str, error: BaseException, status: str) -> None:
    run = create_run(name, "run", {})
    with pytest.raises(type(error)), tracked(run):
        raise error
    assert status_of(run) == status


def test_a_run_that_ends_is_finished(name: str) -> None:
    with tracked(create_run(name, "run", {})) as run:
        assert status_of(run) == "RUNNING"
    assert status_of(run) == "FINISHED"


# What a kill leaves behind.


def test_reaping_ends_what_this_project_left_running_and_nothing_else(project: Path, name: str) -> None:
    left, other_kind, done = (create_run(name, "run", {KIND: kind}) for kind in ("train", "search", "train"))
    done.finish("FINISHED")
    other_experiment = create_run(f"{name}_2", "run", {KIND: "train"})
    with elsewhere(project):
        other_place = create_run(name, "run", {KIND: "train"})
    reap_runs(name, "train")
    assert status_of(left) == "KILLED"
    assert status_of(done) == "FINISHED"
    assert [status_of(run) for run in (other_kind, other_experiment, other_place)] == ["RUNNING"] * 3


WRITER = """
import os, signal, sys
from varml.tracking.runs import create_run
parent = create_run(sys.argv[1], "search", {"varml.study": "one"})
for number, status in enumerate(["FINISHED", "KILLED", "FAILED"]):
    create_run(sys.argv[1], f"trial {number}", {}, parent=parent).finish(status)
create_run(sys.argv[1], "trial 3", {}, parent=parent)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_children_that_a_killed_writer_left_half_written_are_deleted(project: Path, name: str) -> None:
    status, output = Project(project).run("python", "-c", WRITER, name)
    assert status == -signal.SIGKILL, output
    parent = find_own_run(name, {"varml.study": "one"})
    assert parent is not None
    other = create_run(name, "another search", {})
    at_work = create_run(name, "its trial", {}, parent=other)
    assert [run.info.status for run in children(parent)].count("RUNNING") == 1
    delete_unfinished_children(parent)
    assert sorted(run.info.status for run in children(parent)) == ["FAILED", "FINISHED", "KILLED"]
    assert [status_of(run) for run in (parent, other, at_work)] == ["RUNNING"] * 3
    assert [run.info.run_id for run in children(other)] == [at_work.run_id]


# Finding runs again.


def test_the_newest_run_with_all_tags_is_found(name: str) -> None:
    for start, tags in (
        (1, {"a": "1", "b": "1"}),
        (3, {"a": "1", "b": "1"}),
        (2, {"a": "1", "b": "1"}),
        (4, {"a": "1"}),
    ):
        create_run(name, f"run {start}", tags, start_time_ms=start)
    found = find_run(name, {"a": "1", "b": "1"})
    assert found is not None
    assert found.client.get_run(found.run_id).info.run_name == "run 3"
    assert find_run(name, {"a": "1", "b": "2"}) is None


def test_a_run_of_another_place_is_not_our_own(project: Path, name: str) -> None:
    tags = {"varml.study": "one"}
    with elsewhere(project):
        theirs = create_run(name, "theirs", tags, start_time_ms=2000)
    assert find_own_run(name, tags) is None
    ours = create_run(name, "ours", tags, start_time_ms=1000)
    found, newest = find_own_run(name, tags), find_run(name, tags)
    assert found is not None
    assert found.run_id == ours.run_id
    assert newest is not None
    assert newest.run_id == theirs.run_id


def test_the_run_that_trained_a_model_is_found_by_its_digest(name: str) -> None:
    trained = create_run(name, "train", {KIND: "train", MODEL_DIGEST: "ab"})
    create_run(name, "train", {KIND: "train", MODEL_DIGEST: "cd"})
    assert training_run(name, "ab").run_id == trained.run_id


def test_a_model_that_this_store_has_not_seen_trained_gets_one_run(name: str) -> None:
    restored = training_run(name, "ab")
    assert status_of(restored) == "FINISHED"
    assert data_of(restored).tags["varml.restored"] == "true"
    assert training_run(name, "ab").run_id == restored.run_id


# More than MLflow takes in one request: 100 params, 1000 metrics.


def test_more_params_than_one_request_takes(name: str) -> None:
    run = create_run(name, "run", {})
    params = {f"space.{number}": number / 3 for number in range(250)}
    run.log_params(params)
    assert data_of(run).params == {key: str(value) for key, value in params.items()}


def test_more_metrics_than_one_request_takes(name: str) -> None:
    run = create_run(name, "run", {})
    metrics = {f"metric_{number}": number / 3 for number in range(1001)}
    run.log_metrics(metrics, step=7)
    assert data_of(run).metrics == metrics
    assert [point.step for point in run.client.get_metric_history(run.run_id, "metric_1000")] == [7]


def test_longer_curves_than_one_request_takes(name: str) -> None:
    run = create_run(name, "run", {})
    run.log_curves([(key, step * slope, step) for key, slope in (("up", 1), ("down", -1)) for step in range(1100)])
    for key, slope in (("up", 1), ("down", -1)):
        points = run.client.get_metric_history(run.run_id, key)
        assert sorted((point.step, point.value) for point in points) == [(step, step * slope) for step in range(1100)]


def test_nothing_to_log_is_no_error(name: str) -> None:
    run = create_run(name, "run", {})
    run.log_params({})
    run.log_metrics({})
    assert data_of(run).params == data_of(run).metrics == {}
