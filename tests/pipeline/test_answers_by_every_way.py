"""Thirty raw videos, asked by `varml predict`, MLflow's pyfunc, `mlflow models predict` and `mlflow models serve`.

None of them may unpickle anything, and all give the same probabilities, those of ``evaluate``.
"""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from project import ACTIONS, Project, free_port, invoke, wait_for

from varml.data.sample import make_sample

pytestmark = pytest.mark.pipeline

CHAMPION = "models:/varml@champion"
WITHOUT_PICKLE = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
BY_PYFUNC = f"""
import sys, mlflow, pandas
if __name__ == "__main__":
    model = mlflow.pyfunc.load_model("{CHAMPION}")
    videos = [open(name, "rb").read() for name in open("clips.txt").read().splitlines()]
    model.predict(pandas.DataFrame({{"video": videos}})).to_json("by_pyfunc.json", orient="records")
    model.predict(model.input_example).to_json("of_example.json", orient="records")
"""
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def project(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    copy = finished.copy(tmp_path_factory.mktemp("ways") / "project")
    copy.environment = dict(WITHOUT_PICKLE)
    return copy


@pytest.fixture(scope="module")
def clips(project: Project, videos: Path) -> list[Path]:
    others = make_sample(project.root / "others", seed=5, actions=ACTIONS, num_persons=1, clips_per_person=2)
    files = [*sorted(videos.glob("*/*.mp4")), *others]
    assert len(files) == 30
    (project.root / "clips.txt").write_text("\n".join(map(str, files)))
    columns = {"columns": ["video"], "data": [[base64.b64encode(file.read_bytes()).decode()] for file in files]}
    (project.root / "clips.json").write_text(json.dumps({"dataframe_split": columns}))
    return files


@pytest.fixture(scope="module")
def by_command(project: Project, clips: list[Path]) -> Rows:
    answers = project.answers("varml", "predict", "--json", *map(str, clips))
    return [
        {"label": one["label"], "probabilities": {top["label"]: top["probability"] for top in one["top5"]}}
        for one in answers
    ]


def check(rows: Rows, expected: Rows) -> None:
    assert len({str(one["probabilities"]) for one in expected}) > 20  # or answers in another order would pass
    assert [row["label"] for row in rows] == [one["label"] for one in expected]
    for row, one in zip(rows, expected, strict=True):
        assert row["probabilities"] == pytest.approx(one["probabilities"], abs=1e-5)


def test_the_command_says_what_evaluate_said(project: Project, clips: list[Path], by_command: Rows) -> None:
    evaluated = pd.read_csv(project.root / "metrics/predictions.csv").set_index("path")
    said = {f"{clip.parent.name}/{clip.name}": answer for clip, answer in zip(clips[:24], by_command, strict=False)}
    assert set(evaluated.index) < set(said)
    for path, row in evaluated.iterrows():
        assert said[path]["label"] == row["predicted"]
        assert said[path]["probabilities"] == pytest.approx({name: row[f"p_{name}"] for name in ACTIONS}, abs=1e-5)


@pytest.mark.usefixtures("clips")
def test_pyfunc_answers_alike_and_knows_an_input_example(project: Project, by_command: Rows) -> None:
    (project.root / "by_pyfunc.py").write_text(BY_PYFUNC)
    status, output = project.run("python", "by_pyfunc.py")
    assert status == 0, output
    check(json.loads((project.root / "by_pyfunc.json").read_text()), by_command)
    (answer,) = json.loads((project.root / "of_example.json").read_text())
    assert set(answer["probabilities"]) == set(ACTIONS)


@pytest.mark.usefixtures("clips")
def test_mlflow_models_predict_answers_alike(project: Project, by_command: Rows) -> None:
    options = ["--env-manager", "local", "--input-path", "clips.json", "--output-path", "answers.json"]
    status, output = project.run("mlflow", "models", "predict", "--model-uri", CHAMPION, *options)
    assert status == 0, output
    check(json.loads((project.root / "answers.json").read_text())["predictions"], by_command)


@pytest.mark.usefixtures("clips")
def test_mlflow_models_serve_answers_alike(project: Project, by_command: Rows) -> None:
    with _served(project) as url:
        check(invoke(url, (project.root / "clips.json").read_bytes())["predictions"], by_command)


@contextmanager
def _served(project: Project) -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}"
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", url.rpartition(":")[2], "--workers", "1"]
    # A group of its own: the command starts the server through a shell, and both are to end.
    process = project.start("mlflow", "models", "serve", "--model-uri", CHAMPION, *options, start_new_session=True)
    try:
        wait_for(f"{url}/ping", timeout_sec=300)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=120)
