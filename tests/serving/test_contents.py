"""What bodies of strangers hold: JSON and forms that break a rule, and names of files and sites."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from service import BOUNDARY, FORM, MAX_VIDEOS, Service, base64_of, check_refused, form_of

pytestmark = pytest.mark.usefixtures("nothing_leaks")


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
