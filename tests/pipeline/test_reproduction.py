"""Where a registered version comes from, and that it can be made again from its run and the repository alone."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from project import Project

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def project(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project in another place."""
    return finished.copy(tmp_path_factory.mktemp("elsewhere") / "project")


def test_lineage_names_commit_data_study_trial_and_environment(project: Project) -> None:
    status, output = project.run("varml", "lineage", "1")
    assert status == 0, output
    facts = dict(line.split("  ", 1) for line in output.splitlines())
    facts = {name: value.strip() for name, value in facts.items()}
    head = project.start("git", "rev-parse", "HEAD").communicate()[0].strip()
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    (search,) = client.search_runs(["1"], "tags.`varml.kind` = 'search'")
    trial = client.get_run(client.get_model_version("varml", "1").run_id).data.params["trial"]
    assert facts["commit"] == head
    assert facts["study"] == search.data.tags["varml.study"]
    assert facts["trials"].split(", ")[0] == trial
    assert trial in pd.read_csv(project.root / "search/trials.csv", dtype=str)["number"].tolist()
    assert len(facts["input data/manifest.csv"]) == 32
    assert "torch==" in facts["environment"]
    assert facts["machine"].startswith(f"Python {sys.version_info.major}.{sys.version_info.minor}")
    assert project.run("varml", "lineage", "9") == (1, "varml: model 'varml' has no version '9'; there are 1\n")


def test_a_version_is_made_again_to_the_byte_without_its_search(
    project: Project, finished: Project, videos: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(videos, tmp_path / "moved")
    again = tmp_path / "again"
    # What was computed, and the params of today, must not be needed.
    for name in ("data", "model", "search", "metrics", ".varml"):
        shutil.rmtree(project.root / name)
    project.set(train={"num_epochs": 7})
    status, output = project.run(
        "varml",
        "reproduce",
        "1",
        os.path.relpath(again, project.root),
        "--data",
        str(moved),
        "--python",
        sys.executable,
    )
    assert status == 0, output
    assert "the same to the byte" in output
    assert "not the same" not in output
    assert "other versions" not in output
    assert not any(line.startswith("trial ") for line in output.splitlines())
    for name in ("model/weights.safetensors", "model/model.json", "metrics/predictions.csv"):
        assert (again / name).read_bytes() == (finished.root / name).read_bytes(), name
    num_videos = json.loads((again / "metrics/test.json").read_text())["num_videos"]
    assert f"{num_videos} of {num_videos} answers on the test videos are the same; the largest" in output

    status, output = project.run("varml", "reproduce", "1", str(again))
    assert (status, output) == (1, f"varml: {again} must not exist or be empty; name another folder\n")
