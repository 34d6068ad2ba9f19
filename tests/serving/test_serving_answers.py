"""What the service answers is what `varml predict` says, in the shape of MLflow's scoring server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from service import Service, base64_of, eventually, running

from varml.inference.predictor import Prediction, Predictor
from varml.models.model_files import load_model, model_digest
from varml.tracking.flavor import log_model
from varml.tracking.runs import create_run


@pytest.fixture(scope="module")
def service(model_folder: Path) -> Iterator[Service]:
    with running(model_folder) as service:
        yield service


@pytest.fixture(scope="module")
def expected(model_folder: Path, files: list[Path]) -> list[Prediction]:
    predictor = Predictor.load(model_folder)
    return [predictor.predict_file(file) for file in files]


def check(rows: list[dict[str, Any]], expected: list[Prediction]) -> None:
    assert len({str(one.probabilities) for one in expected}) == len(expected)
    assert [row["label"] for row in rows] == [one.label for one in expected]
    for row, one in zip(rows, expected, strict=True):
        assert row["probabilities"] == pytest.approx(one.probabilities, abs=1e-5)
        assert list(row["probabilities"]) == list(one.probabilities)


def test_uploads_are_answered_in_their_order(service: Service, files: list[Path], expected: list[Prediction]) -> None:
    reply = service.upload(*[file.read_bytes() for file in files])
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    check(reply.content["predictions"], expected)


def test_an_export_answers_as_its_model(
    model_folder: Path, files: list[Path], expected: list[Prediction], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: exports are not tested")
    from varml.models.onnx_export import export_model

    model = load_model(model_folder)
    export_model(model, model_digest(model_folder), tmp_path / "export")
    with running(tmp_path / "export", num_lanes=2) as service:
        reply = service.upload(*[file.read_bytes() for file in files])
        check(reply.content["predictions"], expected)
        assert service.ask("GET", "/version").content["model"]["digest"] == model_digest(model_folder)


@pytest.mark.parametrize("way", ["dataframe_split", "dataframe_records", "inputs", "columns", "instances"])
def test_json_is_answered_in_every_way(
    service: Service, files: list[Path], expected: list[Prediction], way: str
) -> None:
    texts = [base64_of(file.read_bytes()) for file in files]
    rows = [{"video": text} for text in texts]
    bodies: dict[str, Any] = {
        "dataframe_split": {
            "dataframe_split": {"columns": ["video"], "index": [0, 1, 2], "data": [[t] for t in texts]}
        },
        "columns": {"inputs": {"video": texts}, "params": {}},
    }
    reply = service.invoke(bodies.get(way, {way: rows}))
    assert reply.status == 200, reply.body
    check(reply.content["predictions"], expected)


@pytest.mark.parametrize("kind", ["slashes", "lines", "one"])
def test_base64_may_be_written_as_encoders_write_it(
    service: Service, files: list[Path], expected: list[Prediction], kind: str
) -> None:
    text = json.dumps({"inputs": {"video": base64_of(files[0].read_bytes())}})
    assert "/" in text
    if kind == "slashes":
        text = text.replace("/", "\\/")
    if kind == "lines":
        text = re.sub(r"([A-Za-z0-9+/]{76})", r"\1\\n", text)
    check(service.invoke(text.encode()).content["predictions"], expected[:1])


def test_the_reply_is_what_mlflow_gives(
    service: Service, model_folder: Path, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    from mlflow.pyfunc import scoring_server

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    info = log_model(model_folder, create_run("serving", "train", {}).run_id)
    model = mlflow.pyfunc.load_model(info.model_uri)
    split = {"columns": ["video"], "data": [[base64_of(file.read_bytes())] for file in files[:2]]}
    theirs = StringIO()
    frame = scoring_server.infer_and_parse_data({"dataframe_split": split}, model.metadata.get_input_schema())
    scoring_server.predictions_to_json(model.predict(frame), theirs)
    assert service.invoke({"dataframe_split": split}).content == json.loads(theirs.getvalue())


def test_ping_answers_as_mlflow_does(service: Service) -> None:
    for path in ("/ping", "/health"):
        reply = service.ask("GET", path)
        assert (reply.status, reply.body) == (200, b"\n")


def test_version_names_the_model(service: Service, model_folder: Path) -> None:
    model = {"digest": model_digest(model_folder), "name": None, "version": None}
    assert service.ask("GET", "/version").content == {"varml": version("varml"), "model": model}


def test_openapi_describes_every_route_and_refusal(service: Service) -> None:
    paths = service.ask("GET", "/openapi.json").content["paths"]
    assert set(paths) == {"/ping", "/health", "/version", "/metrics", "/invocations", "/v1/predict"}
    for path, kind in (("/invocations", "application/json"), ("/v1/predict", "multipart/form-data")):
        operation = paths[path]["post"]
        assert list(operation["requestBody"]["content"]) == [kind]
        statuses = {"200", "400", "401", "403", "408", "413", "415", "422", "503", "504"}
        assert set(operation["responses"]) == statuses


def test_the_page_loads_nothing(service: Service) -> None:
    page = service.ask("GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    text = page.body.decode()
    assert "/v1/predict" in text
    assert not re.search(r"<script|src=|https?:", text)


def test_metrics_count_requests_and_not_what_strangers_make_up(service: Service, video: bytes) -> None:
    name = 'varml_requests_total{route="/v1/predict",status="200"}'
    before = service.metric(name)
    service.upload(video)
    for number in range(3):
        service.ask("GET", f"/nothing/{number}")
    assert service.metric(name) == before + 1
    assert service.metric('varml_requests_total{route="other",status="404"}') == 3
    assert b"nothing" not in service.ask("GET", "/metrics").body
    assert service.metric('varml_request_seconds_count{route="/v1/predict"}') >= 1
    for process in ("server", "workers"):
        assert service.metric(f'varml_resident_bytes{{process="{process}"}}') > 20e6
    assert eventually(lambda: service.metric("varml_queue_depth") == service.metric("varml_in_flight") == 0)
    for series in ("varml_decode_failures_total", "varml_worker_restarts_total"):
        assert f"\n{series} ".encode() in service.ask("GET", "/metrics").body


@pytest.mark.parametrize(("given", "kept"), [("job-17.a_B", True), ("x" * 65, False), ("a b", False), ('a"\\', False)])
def test_a_request_keeps_its_id_if_that_is_plain(service: Service, given: str, kept: bool) -> None:
    found = service.ask("GET", "/ping", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert (found == given) == kept
    assert re.fullmatch(r"[\w.-]{1,64}", found)


def test_threads_do_not_change_answers(model_folder: Path, files: list[Path], expected: list[Prediction]) -> None:
    with running(model_folder, num_threads=2, num_lanes=1) as service:
        check(service.upload(*[file.read_bytes() for file in files]).content["predictions"], expected)
