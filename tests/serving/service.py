"""A running service, asked through real sockets as any client asks."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import tiny_model
from processes import command_of

from varml.config.params import Probe
from varml.inference.predictor import Predictor
from varml.models.model_files import LoadedModel, save_model
from varml.serving.server import bind, prepared
from varml.serving.settings import Settings
from varml.tracking.served_model import ServedModel

BOUNDARY = "a-boundary"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
JSON = {"Content-Type": "application/json"}


# What one request may bring to the service that the tests of bodies ask.
MAX_BYTES = 1_000_000
MAX_VIDEOS = 3


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        """The body, read as JSON."""
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def error(self) -> str:
        """The reason of a refusal."""
        return str(self.content["error"])


@dataclass
class Service:
    """A service at a port of the loopback."""

    port: int
    pid: int = field(default_factory=os.getpid)
    others: frozenset[int] = frozenset()

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """Return the reply to one request; a body that is an iterator goes out in chunks."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {}, encode_chunked=not isinstance(body, bytes | None))
            got = connection.getresponse()
            return Reply(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            connection.close()

    def upload(self, *contents: bytes, **headers: str) -> Reply:
        """Return the reply to files sent to /v1/predict."""
        return self.ask("POST", "/v1/predict", form_of(*contents), FORM | headers)

    def invoke(self, content: Any, **headers: str) -> Reply:
        """Return the reply to JSON, or to bytes in its place, sent to /invocations."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.ask("POST", "/invocations", body, JSON | headers)

    def metric(self, name: str) -> float:
        """Return one figure of /metrics, with its labels as they are written there; 0 where there is none."""
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name), 0.0)

    def workers(self) -> list[psutil.Process]:
        """Return the decoding processes; ``others`` are those of other tests, of which some are dead already."""
        children = psutil.Process(self.pid).children(recursive=True)
        return [one for one in children if one.pid not in self.others and "multiprocessing.spawn" in command_of(one)]

    @contextmanager
    def paused_workers(self) -> Iterator[None]:
        """Let no video be decoded inside the block."""
        stopped = self.workers()
        for worker in stopped:
            worker.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for worker in stopped:
                if worker.is_running():
                    worker.send_signal(signal.SIGCONT)

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """Give a raw connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            yield connection


class Asking(Thread):
    """A request that is under way while the test does something else."""

    def __init__(self, ask: Callable[[], Reply]) -> None:
        super().__init__()
        self._ask = ask
        self._reply: Reply | None = None
        self.start()

    def run(self) -> None:
        """Ask."""
        self._reply = self._ask()

    def result(self) -> Reply:
        """Return the reply, once it is there."""
        self.join(60)
        assert self._reply is not None
        return self._reply


def check_refused(reply: Reply, status: int, *words: str) -> None:
    """Check that a reply is a refusal with its reason, and tells nothing of the server."""
    assert reply.status == status, reply.body
    assert set(reply.content) == {"error", "request_id"}
    assert all(word in reply.error for word in words), reply.error
    assert "\n" not in reply.error
    for leak in (tempfile.gettempdir(), "Traceback", ".py", "varml-serve", ".video"):
        assert leak not in reply.body.decode()


def form_of(*contents: bytes, name: str = "video", filename: str = "../../etc/a.mp4") -> bytes:
    """Return a form that holds files."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'.encode()
    return b"".join(head + content + b"\r\n" for content in contents) + f"--{BOUNDARY}--\r\n".encode()


def base64_of(content: bytes) -> str:
    """Return base64 as text."""
    return base64.b64encode(content).decode()


def read_all(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def eventually(condition: Callable[[], bool], timeout_sec: float = 60) -> bool:
    """Return whether ``condition`` comes to hold in time."""
    until = time.monotonic() + timeout_sec
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


def answering_model(**limits: float) -> LoadedModel:
    """Return a model that answers on real videos; ``limits`` replace some of its limits on reading a file."""
    made = tiny_model.build(tiny_model.tiny_backbone(), tiny_model.timeless_params())
    pre = made.description.preprocessing
    probe = Probe(**{**pre.probe.model_dump(), **limits})
    description = made.description.model_copy(update={"preprocessing": pre.model_copy(update={"probe": probe})})
    return LoadedModel(description, made.backbones, made.recognizers)


def answering_folder(folder: Path, **limits: float) -> Path:
    """Save such a model and return its folder."""
    save_model(folder, answering_model(**limits))
    return folder


@contextmanager
def running(folder: Path, **values: Any) -> Iterator[Service]:
    """Run a service of the model in ``folder`` in a thread of this process."""
    settings = Settings(port=0, **values)
    others = frozenset(one.pid for one in psutil.Process().children(recursive=True))
    with bind(settings) as bound, prepared(ServedModel(Predictor.load(folder)), settings) as server:
        thread = Thread(target=server.run, args=[[bound]])
        thread.start()
        try:
            assert eventually(lambda: server.started)
            yield Service(bound.getsockname()[1], others=others)
        finally:
            server.should_exit = True
            thread.join(30)
