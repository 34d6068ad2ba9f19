"""Groups that cross given splits: refused, or allowed and said by every run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from project import Project

pytestmark = pytest.mark.pipeline

TAG = "varml.crossing_groups"


@pytest.fixture(scope="module")
def project(finished: Project, videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished project whose annotations now put the two videos of a person and action into two splits."""
    folder = tmp_path_factory.mktemp("crossing")
    project = finished.copy(folder / "project")
    shutil.copytree(videos, folder / "videos", copy_function=os.link)
    lines = ["path,label,split"]
    for file in sorted((folder / "videos").rglob("*.mp4")):
        lines.append(f"{file.relative_to(folder / 'videos')},{file.parent.name},{split_of(file.stem)}")
    (folder / "videos" / "labels.csv").write_text("\n".join(lines) + "\n")
    project.set(
        data={"source": str(folder / "videos"), "annotations": "labels.csv"},
        search={"num_trials": 1},
        train={"num_epochs": 1},
    )
    return project


def split_of(stem: str) -> str:
    person, number = stem.removeprefix("person").split("_")
    return "train" if number == "1" else {"01": "val", "02": "test"}.get(person, "train")


@pytest.fixture(scope="module")
def runs(project: Project) -> list[Any]:
    """All runs of the store: those of the first data, and those after crossing groups were allowed."""
    status, output = project.run("python", "-m", "pipelines.scan")
    assert status != 0
    assert "group 'person01' stands in train and val (2 groups cross the given splits)" in output
    project.set(ingest={"crossing_groups": "allow"})
    for stage in ("scan", "ingest", "search", "train"):
        status, output = project.run("python", "-m", f"pipelines.{stage}")
        assert status == 0, output
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    experiment = client.get_experiment_by_name("varml")
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


def test_every_run_of_the_pipeline_says_so_and_no_earlier_one(runs: list[Any], finished: Project) -> None:
    before = MlflowClient(f"sqlite:///{finished.root}/mlflow.db")
    earlier = {run.info.run_id for run in before.search_runs(["1"], max_results=1000)}
    kinds = {"search", "trial", "baseline", "train"}
    assert {run.data.tags["varml.kind"] for run in runs if run.data.tags.get(TAG) == "allowed"} == kinds
    assert {run.info.run_id for run in runs if TAG not in run.data.tags} == earlier


def test_a_run_made_by_hand_says_so(runs: list[Any], project: Project) -> None:
    code = (
        "import mlflow; mlflow.set_tracking_uri('sqlite:///by_hand.db'); r = mlflow.start_run(); mlflow.end_run(); "
        "print(mlflow.get_run(r.info.run_id).data.tags)"
    )
    status, output = project.run("python", "-c", code)
    assert status == 0, output
    assert f"'{TAG}': 'allowed'" in output


def test_the_data_card_warns(runs: list[Any], project: Project) -> None:
    card = json.loads((project.root / "data/data_card.json").read_text())
    assert card["num_crossing_groups"] == 2
    assert any("groups cross the given splits" in warning for warning in card["warnings"])
