"""Where runs go, and what is said where that place does not answer."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from project import free_port

from varml.errors import ModelError, TrackingError
from varml.tracking import store
from varml.tracking.store import open_client, ping_store, reason_of, tracking_errors, ui_command, without_password

SetUri = Callable[[str], None]


@pytest.fixture
def set_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetUri:
    """A function that names the store, in a folder that is a project of its own."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name in ("MLFLOW_REGISTRY_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    return lambda uri: monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)


class Answers(BaseHTTPRequestHandler):
    """Answers every request with the status of the server, and remembers the request."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[ThreadingHTTPServer]:
    """Serve :class:`Answers` on loopback, with TLS where a context is given."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as made:
        made.asked, made.status = [], 200
        if context:
            # Before the thread starts: it would look at a socket that is closed for a moment.
            made.socket = context.wrap_socket(made.socket, server_side=True)
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with serving() as made:
        yield made


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(10)
        yield made


def place_of(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


def ask() -> None:
    with tracking_errors():
        open_client().search_experiments(max_results=1)


# Servers that do not answer.


@pytest.mark.parametrize("use", [ping_store, ask])
@pytest.mark.parametrize("ending", ["", "/", "/mlflow"])
def test_a_server_that_is_down_is_named_without_its_password(
    set_uri: SetUri, use: Callable[[], None], ending: str
) -> None:
    place = f"127.0.0.1:{free_port()}{ending}"
    set_uri(f"http://me:secret@{place}")
    with pytest.raises(TrackingError, match=rf"http://{place} .*refused.* correct MLFLOW_TRACKING_URI") as caught:
        use()
    assert "secret" not in str(caught.value)


def test_a_server_that_never_answers(set_uri: SetUri, listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PING_TIMEOUT_SEC", 0.2)
    set_uri(f"http://{place_of(listener)}")
    with pytest.raises(TrackingError, match=r"does not answer \(.*timed out"):
        ping_store()


def test_a_port_that_speaks_another_language(set_uri: SetUri, listener: socket.socket) -> None:
    def greet() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
            connection.recv(1024)

    thread = threading.Thread(target=greet)
    thread.start()
    set_uri(f"http://{place_of(listener)}")
    with pytest.raises(TrackingError, match=r"does not answer \(SSH-2\.0"):
        ping_store()
    thread.join()


@pytest.mark.parametrize("uri", ["http://", "http://me:secret@host:port", "https://no such host"])
def test_a_uri_that_names_no_server(set_uri: SetUri, uri: str) -> None:
    set_uri(uri)
    with pytest.raises(TrackingError, match=r"does not answer .* correct MLFLOW_TRACKING_URI") as caught:
        ping_store()
    assert "secret" not in str(caught.value)


# Stores that need no complaint.


@pytest.mark.parametrize("status", [200, 401, 404, 500])
@pytest.mark.parametrize("password", ["", "me:secret@"])
def test_whatever_a_server_answers_it_is_there(
    set_uri: SetUri, server: ThreadingHTTPServer, status: int, password: str
) -> None:
    server.status = status
    set_uri(f"http://{password}{place_of(server.socket)}/mlflow/")
    ping_store()
    assert server.asked == ["/mlflow/health"]


def certificate(folder: Path) -> Path:
    """Write a key and a certificate of 127.0.0.1 that nobody signed but itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    me = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    unsigned = x509.CertificateBuilder(me, me, key.public_key(), x509.random_serial_number())
    made = unsigned.not_valid_before(now).not_valid_after(now + datetime.timedelta(1)).sign(key, hashes.SHA256())
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    content = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(encoding)
    (folder / "own.pem").write_bytes(content)
    return folder / "own.pem"


def test_whom_to_trust_is_left_to_mlflow(set_uri: SetUri, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    with serving(context) as server:
        set_uri(f"https://{place_of(server.socket)}")
        ping_store()
    # MLFLOW_TRACKING_INSECURE_TLS would let it in; nothing has asked it anything.
    assert server.asked == []


@pytest.mark.parametrize("uri", ["", "sqlite:///other.db", "file:///nowhere", "postgresql://me:secret@127.0.0.1:9/db"])
def test_what_is_no_server_is_not_asked(set_uri: SetUri, tmp_path: Path, uri: str) -> None:
    set_uri(uri)
    ping_store()
    assert [path.name for path in tmp_path.iterdir()] == [".dvc"]


# Errors of MLflow and of others.


def test_a_file_that_is_no_database(set_uri: SetUri, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, and long enough to be looked at")
    set_uri("")
    with pytest.raises(TrackingError, match=rf"sqlite:///{tmp_path}/mlflow\.db cannot .*not a database.*; see that"):
        ask()


@pytest.mark.parametrize("error", [ModelError("altered"), ZeroDivisionError("a defect"), KeyboardInterrupt()])
def test_other_errors_stay_as_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, tracking_errors():
        raise error
    assert caught.value is error


def test_as_a_decorator_it_serves_more_than_once(set_uri: SetUri) -> None:
    asked = tracking_errors()(lambda: open_client().search_experiments(max_results=1))
    set_uri(f"http://127.0.0.1:{free_port()}")
    for _ in range(2):
        with pytest.raises(TrackingError):
            asked()


# Words.


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://host:5000", "http://host:5000"),
        ("https://me:secret@host/mlflow", "https://host/mlflow"),
        ("postgresql://me:s@e/cret@host:5432/db", "postgresql://host:5432/db"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("file:///home/me@work/mlruns", "file:///home/me@work/mlruns"),
        ("mlruns", "mlruns"),
    ],
)
def test_a_uri_is_shown_without_a_password(uri: str, shown: str) -> None:
    assert without_password(uri) == shown


def test_a_reason_has_neither_the_password_of_the_store_nor_of_the_registry(
    set_uri: SetUri, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_uri("http://me:secret@host/")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://you:hidden@there")
    error = ValueError("http://me:secret@host/api and http://you:hidden@there/api failed\nhere is a traceback")
    assert reason_of(error) == "http://host/api and http://there/api failed"


@pytest.mark.parametrize(
    ("uri", "command"),
    [
        ("", "mlflow ui --backend-store-uri sqlite:///mlflow.db"),
        ("sqlite:////home/me@work/x.db", "mlflow ui --backend-store-uri sqlite:////home/me@work/x.db"),
        ("http://me:secret@host:5000", "open http://host:5000"),
    ],
)
def test_the_command_that_shows_the_runs(set_uri: SetUri, uri: str, command: str) -> None:
    set_uri(uri)
    assert ui_command() == command
