"""Bodies of strangers: too long, too slow, of another type, no HTTP, and more of them than fit."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest
from service import (
    BOUNDARY,
    FORM,
    JSON,
    MAX_BYTES,
    Service,
    check_refused,
    eventually,
    form_of,
    read_all,
    running,
)

pytestmark = pytest.mark.usefixtures("nothing_leaks")


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
