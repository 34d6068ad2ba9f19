"""Bodies of strangers: too long, too slow, compressed, of another type, malformed; and names of files and sites."""

from __future__ import annotations

import gzip
import json
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from service import BOUNDARY, FORM, JSON, Service, base64_of, eventually, form_of, read_all, running

MAX_BYTES = 1_000_000
MAX_VIDEOS = 3


@pytest.fixture(scope="module")
def service(model_folder: Path) -> Iterator[Service]:
    limits = {"max_body_mb": MAX_BYTES / 1e6, "max_videos": MAX_VIDEOS, "body_timeout_sec": 1, "header_timeout_sec": 1}
    with running(model_folder, num_lanes=1, **limits) as service:
        yield service


@pytest.fixture(autouse=True)
def _nothing_is_left_and_nothing_leaks(service: Service) -> Iterator[None]:
    yield
    assert service.ask("GET", "/ping").status == 200
    folders = list(Path(tempfile.gettempdir()).glob("varml-serve-*"))
    own = [folder for folder in folders if folder.stat().st_uid == psutil.Process().uids().real]
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in own)


def check_refused(reply: Any, status: int, *words: str) -> None:
    assert reply.status == status, reply.body
    assert set(reply.content) == {"error", "request_id"}
    assert all(word in reply.error for word in words), reply.error
    assert "\n" not in reply.error
    for leak in (tempfile.gettempdir(), "Traceback", ".py", "varml-serve", ".video"):
        assert leak not in reply.body.decode()


# Length.


def test_a_body_that_says_it_is_too_long_is_not_read(service: Service) -> None:
    with service.connected() as connection:
        head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM['Content-Type']}\r\n"
        connection.sendall(f"{head}Content-Length: {MAX_BYTES + 1}\r\n\r\n".encode())
        reply = connection.recv(65536)
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in reply.lower()


@pytest.mark.parametrize("path", ["/v1/predict", "/invocations", "/ping"])
def test_a_body_in_chunks_is_cut_off_where_it_gets_too_long(service: Service, path: str) -> None:
    sent = 0
    headers = FORM if path == "/v1/predict" else JSON
    with service.connected() as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {headers['Content-Type']}\r\n"
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        first = form_of(b"")[: -len(BOUNDARY) - 8] if path == "/v1/predict" else b'"'
        try:
            connection.sendall(b"%x\r\n%s\r\n" % (len(first), first))
            while sent < 200 * MAX_BYTES:
                connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
                sent += 65536
        except (BrokenPipeError, ConnectionResetError):
            pass
        reply = read_all(connection)
    assert sent < 100 * MAX_BYTES
    # Whose body nobody wants is answered without it.
    expected = {"/v1/predict": b"413", "/invocations": b"413", "/ping": b"405"}[path]
    assert reply.split(b" ")[1] == expected


def test_a_body_of_just_the_limit_is_read(service: Service) -> None:
    frame = len(form_of(b""))
    check_refused(service.upload(bytes(MAX_BYTES - frame)), 415, "no known container")
    check_refused(service.upload(bytes(MAX_BYTES - frame + 1)), 413, f"{MAX_BYTES} bytes at most")


def test_a_client_that_sends_all_before_it_reads_gets_the_reason(service: Service) -> None:
    check_refused(service.upload(bytes(2 * MAX_BYTES)), 413, "at most")
    check_refused(service.ask("POST", "/invocations", iter([b"x" * 65536] * 40), JSON), 413, "at most")


# Time.


def test_a_slow_body_is_given_up(service: Service) -> None:
    with service.connected() as connection:
        head = "POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n".encode())
        start, reply = time.monotonic(), b""
        connection.settimeout(0.2)
        while not reply and time.monotonic() - start < 10:
            connection.sendall(b" ")
            try:
                reply = connection.recv(65536)
            except TimeoutError:
                continue
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("start", [b"", b"GET /ping HT", b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\nGET /pi"])
def test_a_slow_header_is_given_up(service: Service, start: bytes) -> None:
    with service.connected() as connection:
        connection.settimeout(0.2)
        begun, closed = time.monotonic(), False
        if start:
            connection.sendall(start)
        while not closed and time.monotonic() - begun < 10:
            try:
                closed = connection.recv(65536) == b""
                connection.sendall(b"x" if start else b"")
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                closed = True
        assert closed
        assert time.monotonic() - begun < 4


def test_many_slow_clients_do_not_keep_others_out(service: Service, video: bytes) -> None:
    connections = []
    try:
        for _ in range(60):
            with service.connected() as connection:
                connections.append(connection.dup())
            connections[-1].sendall(
                b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\n\r\n{"
            )
        assert service.upload(video).status == 200
    finally:
        for one in connections:
            one.close()


# What is no HTTP.


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"GET / HTTP/9.9\r\nConnection: close\r\n\r\n",
        b"GET /ping HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 2_000_000 + b"\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\nab",
        b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x01garbage\r\n\r\n" * 3,
    ],
)
def test_garbage_gets_4xx_or_nothing(service: Service, garbage: bytes) -> None:
    with service.connected() as connection:
        try:
            connection.sendall(garbage)
        except (BrokenPipeError, ConnectionResetError):
            return
        reply = read_all(connection)
    statuses = [part.split(b" ")[1] for part in reply.split(b"\r\n\r\n") if part.startswith(b"HTTP/1.1")]
    assert set(statuses) <= {b"200", b"400", b"403", b"415"}
    assert b"200" not in statuses or garbage.startswith(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")


def test_requests_in_a_row_are_answered_each(service: Service) -> None:
    with service.connected() as connection:
        one = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sendall(one * 2 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert read_all(connection).count(b"HTTP/1.1 200") == 3


# Type.


@pytest.mark.parametrize(
    "given", ["text/csv", "", "application/x-www-form-urlencoded", "application/json; charset=utf-16"]
)
@pytest.mark.parametrize("path", ["/v1/predict", "/invocations"])
def test_another_content_type_is_refused(service: Service, path: str, given: str) -> None:
    check_refused(service.ask("POST", path, b"{}", {"Content-Type": given}), 415, "Content-Type must be")


def test_the_types_are_not_taken_for_each_other(service: Service) -> None:
    check_refused(service.ask("POST", "/v1/predict", b"{}", JSON), 415, "multipart/form-data")
    check_refused(service.ask("POST", "/invocations", form_of(b""), FORM), 415, "application/json")
    assert service.ask("POST", "/invocations", b"{}", {"Content-Type": "Application/JSON; charset=UTF-8"}).status == 400


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
def test_a_compressed_body_is_refused(service: Service, video: bytes, encoding: str) -> None:
    body = gzip.compress(form_of(video))
    check_refused(service.ask("POST", "/v1/predict", body, FORM | {"Content-Encoding": encoding}), 415, "compressed")


def test_no_other_paths_and_methods(service: Service) -> None:
    check_refused(service.ask("GET", "/../../etc/passwd"), 404, "no such path")
    check_refused(service.ask("GET", "/docs/"), 404, "no such path")
    check_refused(service.ask("GET", "/invocations"), 405, "method")
    assert service.ask("GET", "/invocations").headers["allow"] == "POST"
    check_refused(service.ask("PUT", "/v1/predict", b"x"), 405, "method")


# JSON.


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"", "empty"),
        (b"{", "must be JSON"),
        (b"\xff\xfe{}", "must be JSON"),
        (b'{"inputs": "', "no end"),
        (b'{"a": "\\', "must be JSON"),
        (b"[" * 60_000, "must be JSON"),
        (b'{"inputs": ' + b"[" * 60_000 + b"]" * 5, "must be JSON"),
        (b"1" * 60_000, "must be JSON"),
        (b"1e999999999", "exactly one of"),
        (b"[" * 900_000, "bytes at most"),
        (b" " * 900_000, "bytes at most"),
        (b'{"inputs": [' + b"1," * 400_000 + b"1]}", "bytes at most"),
        (b'{"inputs": [' + b'"",' * 300_000 + b'""]}', "bytes at most"),
        (b'{"inputs": {"video": "' + b'\\"' * 400_000 + b'"}}', "holds no quotes"),
        (b'{"inputs": {"video": "' + b"\\" * 900_001 + b'"}}', "must be base64"),
        (b"[]", "exactly one of"),
        (b"null", "exactly one of"),
        (b"{}", "exactly one of"),
        (b'{"inputs": {"video": []}, "dataframe_split": {}}', "exactly one of"),
        (b'{"inputs": {"video": ["AAAA"]}, "params": {"a": 1}}', "no params"),
        (b'{"inputs": {"video": ["AAAA"]}, "more": 1}', "nothing beside inputs"),
        (b'{"inputs": {"video": ["AAAA"], "path": ["x"]}}', "inputs must be"),
        (b'{"inputs": {"path": ["AAAA"]}}', "inputs must be"),
        (b'{"inputs": {"video": 1}}', "inputs must be"),
        (b'{"inputs": {"video": []}}', "at least one video"),
        (b'{"inputs": {"video": [null]}}', "strings of base64"),
        (b'{"inputs": {"video": [["AAAA"]]}}', "strings of base64"),
        (b'{"inputs": {"video": ["AAAA", "AAAA", "AAAA", "AAAA"]}}', "3 at most"),
        (b'{"dataframe_records": [{"video": "AAAA", "x": 1}]}', "rows must be"),
        (b'{"dataframe_records": {"video": "AAAA"}}', "rows must be"),
        (b'{"dataframe_records": []}', "at least one video"),
        (b'{"dataframe_split": {"columns": ["path"], "data": [["AAAA"]]}}', "dataframe_split must be"),
        (b'{"dataframe_split": {"columns": ["video", "x"], "data": [["AAAA", 1]]}}', "dataframe_split must be"),
        (b'{"dataframe_split": {"columns": ["video"], "data": [["AAAA", 1]]}}', "dataframe_split must be"),
        (b'{"dataframe_split": {"columns": ["video"], "data": "AAAA"}}', "dataframe_split must be"),
        (b'{"dataframe_split": [["AAAA"]]}', "dataframe_split must be"),
    ],
)
def test_json_that_breaks_a_rule_is_told_the_rule(service: Service, text: bytes, word: str) -> None:
    start = time.monotonic()
    check_refused(service.invoke(text), 400, word)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("text", ["A", "AAA", "====", "AAAA=", "AA==AAAA", "\\u0041AAA", "A" * 5001, "A" * 5000 + "*"])
def test_what_is_no_base64_is_refused(service: Service, text: str) -> None:
    if text.startswith("\\u"):
        text += "A" * 5000
    check_refused(service.invoke(b'{"inputs": {"video": ["%s"]}}' % text.encode()), 400, "video 1 must be base64")


def test_no_file_and_no_address_of_a_request_is_opened(service: Service, files: list[Path], tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(files[0].read_bytes())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.3)
        port = listener.getsockname()[1]
        for name in (
            str(secret),
            f"file://{secret}",
            f"http://127.0.0.1:{port}/a.mp4",
            "/etc/passwd",
            "concat:a|b",
            "-i",
        ):
            for text in (name, base64_of(name.encode()), base64_of(f"#EXTM3U\n{name}\n".encode())):
                assert service.invoke({"inputs": {"video": [text]}}).status in (400, 415)
            for content in (name, f"#EXTM3U\n#EXTINF:4,\n{name}\n", f"ffconcat version 1.0\nfile {name}\n"):
                check_refused(service.upload(content.encode()), 415, "no known container")
            check_refused(service.ask("POST", "/v1/predict", form_of(b"x", filename=name), FORM), 415)
        with pytest.raises(TimeoutError):
            listener.accept()


# Forms.


def part(disposition: str) -> bytes:
    return f"--{BOUNDARY}\r\n{disposition}\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "breaks off"),
        (b"garbage", "must be multipart"),
        (form_of(), "at least one file"),
        (form_of(b"x")[:-10], "breaks off"),
        (form_of(b"x", name="path"), "named video"),
        (part("X: y"), "named video"),
        (part('Content-Disposition: form-data; filename="x"'), "named video"),
        (part("A: b\r\n" * 20 + 'Content-Disposition: form-data; name="video"'), "must be multipart"),
        (part("A: " + "b" * 10_000), "must be multipart"),
        (form_of(*[b"x"] * (MAX_VIDEOS + 1)), f"{MAX_VIDEOS} videos at most"),
        (form_of(*[b""] * 5000), f"{MAX_VIDEOS} videos at most"),
    ],
)
def test_a_form_that_breaks_a_rule_is_told_the_rule(service: Service, body: bytes, word: str) -> None:
    check_refused(service.ask("POST", "/v1/predict", body, FORM), 400, word)


@pytest.mark.parametrize("given", ["multipart/form-data", f"multipart/form-data; boundary={'x' * 300}"])
def test_a_form_needs_a_boundary(service: Service, given: str) -> None:
    check_refused(service.ask("POST", "/v1/predict", b"", {"Content-Type": given}), 400, "boundary")


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_a_form_may_come_in_any_pieces(service: Service, piece: int) -> None:
    body = form_of(b"\r\n--a-bound", b"\r\r\n")
    pieces = (body[place : place + piece] for place in range(0, len(body), piece))
    check_refused(service.ask("POST", "/v1/predict", pieces, FORM), 415, "video 1")


# Room on disk.


def test_all_bodies_together_have_a_bound(model_folder: Path, video: bytes) -> None:
    with running(model_folder, num_lanes=1, max_spool_mb=0.05) as service:
        assert service.upload(video).status == 200
        full = service.upload(bytes(60_000))
        check_refused(full, 503, "as many bodies as it may")
        assert int(full.headers["retry-after"]) >= 1
        # What went is no longer counted.
        for _ in range(5):
            assert service.upload(video).status == 200


def test_a_client_that_leaves_lets_go_of_its_room(model_folder: Path, video: bytes) -> None:
    with running(model_folder, num_lanes=1, max_spool_mb=0.1) as service:
        with service.connected() as connection:
            head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM['Content-Type']}\r\n"
            connection.sendall(f"{head}Content-Length: 90000\r\n\r\n".encode() + form_of(bytes(85_000))[:85_000])
            assert eventually(lambda: service.upload(video * 3).status == 503)
        assert eventually(lambda: service.upload(video).status == 200)
        assert service.metric('varml_requests_total{route="/v1/predict",status="499"}') == 1


def test_replies_are_json_that_a_browser_does_not_run(service: Service) -> None:
    reply = service.ask("GET", "/<script>alert(1)</script>")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "script" not in json.dumps(reply.content)
