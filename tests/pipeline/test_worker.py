"""`varml worker`: a process that joins the search of a project."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from project import Project

pytestmark = pytest.mark.pipeline


def test_a_worker_runs_trials_that_the_next_repro_ranks_and_logs(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "joined")
    project.set(search={"num_trials": 8})
    status, output = project.run("varml", "worker")
    assert status == 0, output
    joins, *lines = output.splitlines()
    assert joins.endswith("which has 6 of 8 trials")
    assert [line.partition(":")[0] for line in lines] == ["trial 7/8", "trial 8/8"]

    output = project.repro("search")
    assert "trial " not in output.partition("Running stage 'search'")[2]
    assert pd.read_csv(project.root / "search/trials.csv")["number"].tolist() == list(range(8))
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("varml")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.`varml.kind` = 'trial'", max_results=1000)
    assert {int(run.data.tags["varml.trial"]) for run in runs} == set(range(8))


def test_a_worker_needs_a_project_with_features(tmp_path: Path, finished: Project) -> None:
    project = finished.copy(tmp_path / "bare")
    (project.root / "data/manifest.csv").unlink()
    status, output = project.run("varml", "worker")
    assert status == 1
    assert output.startswith("varml: ")
    assert "dvc repro" in output
