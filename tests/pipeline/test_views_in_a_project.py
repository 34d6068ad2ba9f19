"""Crops, clips and the mirror through the real stages: what is extracted, and one answer by every way."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from project import Project

pytestmark = pytest.mark.pipeline

BY_PYFUNC = """
import sys, mlflow, pandas
mlflow.set_tracking_uri("sqlite:///mlflow.db")
if __name__ == "__main__":
    model = mlflow.pyfunc.load_model("models:/varml@challenger")
    videos = [open(name, "rb").read() for name in sys.argv[1:]]
    print("ANSWER" + model.predict(pandas.DataFrame({"video": videos})).to_json(orient="records"))
"""


def num_features(project: Project) -> int:
    return len(list((project.root / "data/features").rglob("*.safetensors")))


def test_views_are_searched_evaluated_and_served_alike(finished: Project, videos: Path, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "views")
    before = num_features(project)
    project.set(views={"num_clips": 3})
    assert "Stage 'extract_features' didn't change" in project.repro("extract_features")
    space = {"train": {"mirror": {"choices": [True, False]}}}
    project.set(views={"num_crops": 3}, search={"num_trials": 2, "space": space})
    assert "Running stage 'register'" in project.repro()
    assert num_features(project) == before + 4 * 24  # crops as they are, and the middle one in a mirror too
    description = json.loads((project.root / "model/model.json").read_text())
    assert description["preprocessing"]["views"] == {"num_crops": 3, "mirror": "alternate", "num_clips": 3}
    assert all(set(member["num_steps"].values()) == {1} for member in description["members"])

    rows = pd.read_csv(project.root / "metrics/predictions.csv").head(2)
    files = [str(videos / path) for path in rows["path"]]
    (project.root / "by_pyfunc.py").write_text(BY_PYFUNC)
    status, output = project.run("python", "by_pyfunc.py", *files)
    assert status == 0, output
    answers = json.loads(output[output.index("ANSWER") + 6 :].splitlines()[0])
    status, output = project.run("varml", "predict", "--json", *files)
    assert status == 0, output
    by_command = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    for row, answer, other in zip(rows.to_dict("records"), answers, by_command, strict=True):
        assert answer["label"] == other["label"] == row["predicted"]
        for name, probability in answer["probabilities"].items():
            assert probability == pytest.approx(row[f"p_{name}"], abs=1e-5)


def test_clips_that_do_not_share_the_segments_end_the_first_stage(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "views")
    project.set(views={"num_clips": 2})
    status, output = project.run("python", "-m", "pipelines.check")
    assert status == 1
    assert "num_clips must divide frames.num_segments, 3" in output
