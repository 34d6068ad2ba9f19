"""The flavor: an ensemble is logged, loaded and asked as one model, by varml and by pyfunc."""

from __future__ import annotations

import base64
from pathlib import Path

import pandas as pd
import pytest
import tiny_model
from tiny_model import CLASSES, TINY

from varml.data.sample import make_sample
from varml.models.model_files import model_digest, save_model
from varml.tracking.flavor import load_model, log_model
from varml.tracking.runs import create_run

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture(autouse=True)
def _without_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    (made, *_) = make_sample(tmp_path_factory.mktemp("videos"), actions=["wave"], num_persons=1, clips_per_person=1)
    return Path(made).read_bytes()


def save_ensemble(folder: Path, unknown_below: float | None) -> Path:
    params = tiny_model.timeless_params()
    members = [(params, 0.5, {}, 0), (params.model_copy(update={"fusion": "rgb"}), 0.5, {}, 1)]
    backbones = {TINY: tiny_model.tiny_backbone()}
    save_model(folder, tiny_model.build_ensemble(backbones, members, temperature=0.7, unknown_below=unknown_below))
    return folder


@pytest.mark.parametrize(("unknown_below", "is_known"), [(None, True), (1.0, False)])
def test_an_ensemble_answers_as_one_model_by_every_way(
    name: str, tmp_path: Path, video: bytes, unknown_below: float | None, is_known: bool
) -> None:
    import mlflow

    folder = save_ensemble(tmp_path / "model", unknown_below)
    info = log_model(folder, create_run(name, "train", {}).run_id)
    predictor = load_model(info.model_uri)
    (expected,) = predictor.predict_bytes([video])
    model = mlflow.pyfunc.load_model(info.model_uri)
    rows = model.predict(pd.DataFrame({"video": [video, base64.b64encode(video).decode()]}))
    assert rows["label"].tolist() == [expected.label] * 2
    assert rows["probabilities"].tolist() == [expected.probabilities] * 2
    assert (expected.label in CLASSES, expected.label == "unknown") == (is_known, not is_known)
    assert set(expected.probabilities) == set(CLASSES)


def test_the_input_example_is_a_clip_that_the_model_answers(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import mlflow

    info = log_model(save_ensemble(tmp_path / "model", None), create_run(name, "train", {}).run_id)
    assert "Failed to validate" not in caplog.text
    model = mlflow.pyfunc.load_model(info.model_uri)
    assert [type(value) for value in model.input_example["video"]] == [bytes]
    (answer,) = model.predict(model.input_example)["probabilities"]
    assert set(answer) == set(CLASSES)


def test_a_logged_model_is_the_folder_to_the_byte(name: str, tmp_path: Path) -> None:
    from mlflow.artifacts import download_artifacts

    folder = save_ensemble(tmp_path / "model", None)
    info = log_model(folder, create_run(name, "train", {}).run_id)
    got = Path(download_artifacts(artifact_uri=info.model_uri, dst_path=str(tmp_path / "got")))
    assert model_digest(got / "model") == model_digest(folder)
