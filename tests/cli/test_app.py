"""The command: what goes wrong is said in one message without a traceback, with status 1."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from project import free_port
from tiny_model import build, save_tiny_model, timeless_params, tiny_backbone

from varml.cli.predict import describe
from varml.data.sample import make_sample
from varml.inference.predictor import Prediction
from varml.models.model_files import model_digest, save_model
from varml.tracking.registry.versions import register_model
from varml.tracking.runs import create_run
from varml.tracking.store import open_client

Varml = Callable[..., tuple[int, str]]


@pytest.fixture
def store(project: Path, empty_store: Path) -> Path:
    """The project's store."""
    return Path(shutil.copy(empty_store, project))


@pytest.fixture
def dead_server(project: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where MLflow should answer and nothing does."""
    place = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@{place}")
    return f"http://{place}"


@pytest.fixture
def broken_store(project: Path) -> Path:
    """A store that is no database."""
    (project / "mlflow.db").write_text("this is no database, and long enough to be looked at")
    return project / "mlflow.db"


# varml promote, varml rollback.


def champion() -> str:
    return str(open_client().get_model_version_by_alias("varml", "champion").version)


def test_promoting_what_does_not_exist(varml: Varml, store: Path) -> None:
    assert varml("promote") == (1, f"varml: model 'varml' has no version in sqlite:///{store}; run `dvc repro` first\n")
    assert varml("promote", "2") == (1, "varml: model 'varml' has no version '2'; there are none\n")
    client = open_client()
    client.create_registered_model("varml")
    client.create_model_version("varml", source="file:///nowhere")
    assert varml("promote", "2") == (1, "varml: model 'varml' has no version '2'; there are 1\n")
    status, output = varml("promote", "1")
    assert status == 1
    assert output == (
        "version 1 is not promoted, there is no champion:\n"
        "  - no evaluation of version 1 is with its run; `dvc repro --single-item --force evaluate` makes one of the "
        "model in model/, where that is this version\n"
    )


def test_what_the_gate_refuses_is_forced_with_a_reason_and_taken_back(varml: Varml, store: Path) -> None:
    client = open_client()
    client.create_registered_model("varml")
    for _ in range(2):
        client.create_model_version("varml", source="file:///nowhere")
    client.set_registered_model_alias("varml", "champion", "1")
    for half in (["--force"], ["--reason", "a new camera"]):
        status, output = varml("promote", "2", *half)
        assert (status, "go together" in output) == (2, True)
    forced = ["promote", "2", "--force", "--reason", "a new camera"]
    assert varml(*forced, "--dry-run")[1].startswith("varml version 2 would be @champion in place of version 1\n")
    assert champion() == "1"
    status, output = varml(*forced)
    assert status == 0
    assert output.startswith("varml version 2 is @champion in place of version 1\n  passed over: no evaluation")
    assert varml("promote", "2") == (0, "varml version 2 is @champion already\n")
    assert champion() == "2"
    assert varml("rollback") == (0, "varml version 1 is @champion again, in place of version 2\n")
    assert champion() == "1"
    assert varml("rollback") == (
        1, "varml: version 1 is the first champion of 'varml'; there is none to go back to\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    "command", ["promote", "promote 1", "rollback", "predict video.mp4", "predict --model models:/varml/1 x"]
)
def test_a_server_that_is_down_is_named_without_its_password(varml: Varml, dead_server: str, command: str) -> None:
    status, output = varml(*command.split())
    assert status == 1
    assert output.startswith("varml: ")
    assert dead_server in output
    assert "secret" not in output


@pytest.mark.parametrize("command", ["promote", "predict video.mp4", "predict --model models:/varml/1 video.mp4"])
def test_a_store_that_is_no_database_is_named(varml: Varml, broken_store: Path, command: str) -> None:
    status, output = varml(*command.split())
    assert status == 1
    assert f"varml: the MLflow store sqlite:///{broken_store} cannot do what was asked" in output
    assert "not a database" in output


def test_params_that_break_a_rule_are_named(varml: Varml, project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("num_trials: 20", "num_trials: none"))
    for command in ("promote", "clean"):
        status, output = varml(command)
        assert status == 1
        assert "search.num_trials = 'none'" in output


# varml export.


def test_an_export_is_kept_with_its_version_and_answers_alike(
    varml: Varml, project: Path, store: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: exports are not tested")
    (video,) = make_sample(tmp_path / "videos", actions=["wave"], num_persons=1, clips_per_person=1)
    save_model(tmp_path / "model", build(tiny_backbone(), timeless_params()))
    register_model(tmp_path / "model", "varml", create_run("varml", "train", {}), {})
    status, output = varml("export", "export")
    assert status == 0, output
    assert re.fullmatch(
        r"export: probabilities are those of the model to \S+ on random .*kept with version 1\n", output
    )
    answers = [varml("predict", "--model", place, "--json", str(video)) for place in ("export", "models:/varml/1")]
    one, other = (json.loads(output) for _, output in answers)
    assert one["label"] == other["label"]
    assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)
    version = open_client().get_model_version("varml", "1")
    assert version.tags["varml.onnx"] == model_digest(project / "export")
    kept = {item.path for item in open_client().list_artifacts(version.run_id, "onnx")}
    assert "onnx/model.onnx" in kept
    assert varml("export", "export") == (1, "varml: export exists; name a folder that does not\n")
    assert varml("export", "more", "--model", "export") == (
        1, "varml: export is an export already; name the model that it came from\n",
    )  # fmt: skip


# varml predict.


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nowhere", "nowhere holds no complete model .* run `dvc repro`"),
        ("models:/varml@champion", "models:/varml@champion cannot be loaded .* name a version or an alias that exists"),
        ("models:/varml/7", "models:/varml/7 cannot be loaded"),
        ("file:///nowhere", "file:///nowhere cannot be loaded"),
    ],
)
@pytest.mark.usefixtures("store")
def test_predicting_with_a_model_that_is_missing(varml: Varml, model: str, message: str) -> None:
    status, output = varml("predict", "--model", model, "video.mp4")
    assert status == 1
    assert re.fullmatch(rf"varml: {message}.*\n", output)


def test_predicting_before_there_is_any_model(varml: Varml, project: Path, store: Path) -> None:
    for _ in ("in a project", "in any other folder"):
        status, output = varml("predict", "video.mp4")
        assert (status, output) == (
            1, "varml: there is no champion and no folder model/ here; run `dvc repro`, or name one with --model\n",
        )  # fmt: skip
        (project / "params.yaml").unlink(missing_ok=True)


def test_a_video_that_cannot_be_used_is_an_error_and_no_answer(varml: Varml, project: Path) -> None:
    save_tiny_model(project / "model")
    (project / "notes.mp4").write_text("this is no video")
    status, output = varml("predict", "--model", "model", "--json", "gone.mp4", "notes.mp4")
    assert status == 1
    first, second = map(json.loads, output.splitlines())
    assert (first["video"], second["video"]) == ("gone.mp4", "notes.mp4")
    assert first["error"] == "gone.mp4 does not exist or is no regular file; name a video file"
    assert second["error"].startswith("notes.mp4 cannot be used: is in no known container")
    status, output = varml("predict", "gone.mp4")
    assert (status, output) == (1, f"varml: {first['error']}\n")


def test_the_answer_on_a_video_whose_name_is_no_text_can_be_printed_anywhere() -> None:
    answer = describe(Path(os.fsdecode(b"\xff.mp4")), Prediction("wave", {"wave": 1.0}), as_json=False)
    assert answer.encode() == b"\\xff.mp4: wave  (wave 1.000)"


# varml sample.


def test_a_folder_that_holds_something_is_left_as_it_is(varml: Varml, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    status, output = varml("sample", str(tmp_path))
    assert status == 1
    assert output.startswith(f"varml: {tmp_path}")
    assert "empty" in output
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("notes.txt", "mine")]
