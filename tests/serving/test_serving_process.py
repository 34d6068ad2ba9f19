"""`varml serve` as a process: what it refuses to start with, what it logs, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
from project import ROOT
from service import BOUNDARY, FORM, JSON, Asking, Service, eventually, form_of
from typer.testing import CliRunner

from varml.cli import app
from varml.errors import ServingError
from varml.models.model_files import model_digest
from varml.serving.settings import Settings
from varml.tracking.registry.versions import register_model
from varml.tracking.runs import create_run

FORM_LINE = f"Content-Type: {FORM['Content-Type']}"
TOKEN = "0123456789abcdef-secret"
MILLION = 1_000_000


def start(folder: Path, *options: str, spool: Path, token: str | None = None) -> subprocess.Popen[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("VARML_TOKEN", "PYTHONWARNINGS")}
    command = [str(Path(sys.executable).parent / "varml"), "serve", "--port", "0", "--lanes", "1", *options]
    environment = {**inherited, "TMPDIR": str(spool)} | ({} if token is None else {"VARML_TOKEN": token})
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@dataclass
class Started:
    """A process that listens, and all the lines that it has written."""

    process: subprocess.Popen[str]
    service: Service
    lines: list[dict[str, Any]]
    reader: Thread

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(30)
        self.reader.join(10)
        return status


@contextmanager
def serving(folder: Path, *options: str, spool: Path, token: str | None = None) -> Iterator[Started]:
    process = start(folder, *options, spool=spool, token=token)
    assert process.stdout is not None
    first = process.stdout.readline()
    assert "listening" in first, first + process.stdout.read()
    lines = [json.loads(first)]
    reader = Thread(target=lambda: lines.extend(json.loads(line) for line in process.stdout or ()), daemon=True)
    reader.start()
    port = int(lines[0]["url"].rpartition(":")[2])
    try:
        yield Started(process, Service(port, process.pid), lines, reader)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "localhost.evil.org", ""])
def test_beyond_loopback_there_must_be_a_token(host: str) -> None:
    with pytest.raises(ServingError, match=r"requests must bring a token; set VARML_TOKEN .* or serve on 127\.0\.0\.1"):
        Settings(host=host)
    assert Settings(host=host, token=TOKEN).host == host
    assert TOKEN not in repr(Settings(host=host, token=TOKEN))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_on_loopback_there_need_be_none(host: str) -> None:
    assert Settings(host=host).token is None


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "with a space in it", "tab\tinside the token", "ümläute" * 3])
def test_a_token_that_is_weak_or_fits_no_header_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ServingError, match="VARML_TOKEN must have at least 16 characters") as caught:
        Settings(token=token)
    assert not token or token not in str(caught.value)


def test_what_may_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VARML_TOKEN", raising=False)
    for options, token, word in (
        (["--host", "0.0.0.0"], None, "requests must bring a token"),
        (["--host", "0.0.0.0"], "short", "VARML_TOKEN must have at least 16 characters"),
        (["--host", "203.0.113.77"], TOKEN, "203.0.113.77 port 0 cannot be listened on"),
        (["--model", "none"], None, "none holds no complete model"),
        ([], None, "there is no champion and no folder model/ here"),
    ):
        monkeypatch.setenv("VARML_TOKEN", token) if token else monkeypatch.delenv("VARML_TOKEN", raising=False)
        result = CliRunner().invoke(app, ["serve", "--port", "0", *options])
        assert (result.exit_code, result.output.startswith("varml: ")) == (1, True), result.output
        assert word in result.output
        assert result.output.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def project(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Path:
    """A project whose champion is the model."""
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    shutil.copy(empty_store, root / "mlflow.db")
    shutil.copy(ROOT / "params.yaml", root)
    monkeypatch.chdir(root)
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    register_model(model_folder, "varml", create_run("serving", "train", {}), {})
    return root


def test_the_champion_is_served_by_default_and_what_takes_too_long_at_the_end_is_given_up(
    project: Path, model_folder: Path, video: bytes, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    with serving(project, "--shutdown-timeout-sec", "1", spool=spool) as started:
        service = started.service
        of_model = {"digest": model_digest(model_folder), "name": "varml", "version": "1"}
        assert service.ask("GET", "/version").content["model"] == of_model
        assert service.upload(video).status == 200
        (worker,) = service.workers()
        worker.send_signal(signal.SIGSTOP)
        asking = Asking(lambda: service.upload(video))
        assert eventually(lambda: any(spool.glob("varml-serve-*/*/*")))
        with service.connected() as slow:
            slow.sendall(f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n{FORM_LINE}\r\n".encode())
            slow.sendall(b"Content-Length: 1000\r\n\r\n" + form_of(b"x")[:20])
            assert started.end(signal.SIGINT) == 0
        assert (asking.result().status, asking.result().error) == (503, "the service is shutting down; ask again later")
        assert eventually(lambda: not worker.is_running())
        assert list(spool.iterdir()) == []
        assert not any("traceback" in line for line in started.lines)


@pytest.fixture(scope="module")
def ended(model_folder: Path, tmp_path_factory: pytest.TempPathFactory, video: bytes) -> Started:
    """A service that was asked, then told to end while it had something to do."""
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, "--model", str(model_folder), spool=folder, token=TOKEN) as started:
        service, bearer = started.service, {"Authorization": f"Bearer {TOKEN}"}
        service.upload(video, **bearer, **{"X-Request-ID": "first"})
        service.ask("GET", "/a%0Ab%1B[31m?secret=1", headers=bearer)
        service.upload(b"no video", **bearer)
        peaks = [peak_bytes(service.pid)]
        for path, headers, first, block in (
            ("/invocations", JSON, b'{"inputs": {"video": ["', b"A" * MILLION),
            ("/invocations", JSON, b'{"inputs": ', b"[" * MILLION),
            ("/v1/predict", FORM, form_of(b"").partition(f"\r\n--{BOUNDARY}--".encode())[0], bytes(MILLION)),
        ):
            last = b'"]}}' if headers is JSON else f"\r\n--{BOUNDARY}--\r\n".encode()
            service.ask("POST", path, iter([first, *[block] * 60, last]), headers | bearer)
            peaks.append(peak_bytes(service.pid))
        assert [path.name.startswith("varml-serve-") for path in folder.iterdir()] == [True]
        workers = service.workers()
        with service.paused_workers():
            asking = Asking(lambda: service.upload(video, **bearer, **{"X-Request-ID": "last"}))
            assert eventually(lambda: any(folder.glob("varml-serve-*/*/*")))
            started.process.send_signal(signal.SIGTERM)
            # Nobody new gets in.
            assert eventually(lambda: refuses(service.port))
        started.last = asking.result()  # type: ignore[attr-defined]
        started.status = started.process.wait(30)  # type: ignore[attr-defined]
        started.reader.join(10)
        started.left = (workers, list(folder.iterdir()))  # type: ignore[attr-defined]
        started.peaks = peaks  # type: ignore[attr-defined]
    return started


def peak_bytes(pid: int) -> int:
    """Return how much memory a process has had at most."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []  # Linux alone tells
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def test_sigterm_lets_it_finish_and_leave_nothing(ended: Any) -> None:
    assert ended.last.status == 200
    assert ended.status == 0
    workers, files = ended.left
    assert files == []
    assert workers
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)


def test_long_bodies_are_not_held_in_memory(ended: Any) -> None:
    assert [line["bytes"] > 60 * MILLION for line in ended.lines if line.get("bytes", 0) > MILLION] == [True] * 3
    assert ended.peaks[-1] - ended.peaks[0] < 30 * MILLION


def test_every_request_is_a_line_of_json(ended: Any) -> None:
    assert [line["event"] for line in ended.lines[:1] + ended.lines[-1:]] == ["listening", "stopped"]
    requests = [line for line in ended.lines if line["event"] == "request"]
    assert [line["status"] for line in requests] == [200, 404, 415, 415, 400, 415, 200]
    for line in requests:
        assert set(line) - {"reason"} == {"time", "level", "event", "id", "method", "path", "status", "ms", "bytes"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", line["time"])
        assert ("reason" in line) == (line["status"] != 200)
    first, unknown, bad, *_, last = requests
    assert (first["id"], last["id"]) == ("first", "last")
    assert (first["method"], first["path"]) == ("POST", "/v1/predict")
    assert first["bytes"] > 1000
    assert first["ms"] > 1
    assert unknown["path"] == "/a\nb\x1b[31m"  # escaped in the line, which is one line still
    assert bad["reason"].startswith("video 1 is in no known container")


def test_no_secret_and_no_name_of_a_file_is_logged(ended: Any) -> None:
    text = json.dumps(ended.lines)
    for word in (TOKEN, "secret", "etc/a.mp4", "Bearer", "varml-serve"):
        assert word not in text
