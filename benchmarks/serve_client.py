"""A client of the service, and the hostile bodies that it sends."""

from __future__ import annotations

import json
import random
import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

BOUNDARY = "4b1dbd0f"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
TOLERANCE = 1e-5
BLOCK = 1 << 16
TIMEOUT_SEC = 120


@dataclass(frozen=True)
class Reply:
    """What came back; status 0 where nothing did."""

    status: int
    content: Any
    retry_after_sec: float


class Client:
    """One client with one connection, as long as the service keeps it."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SEC)

    def upload(self, content: bytes) -> Reply:
        """Send one file and return the reply."""
        try:
            self._connection.request("POST", "/v1/predict", form_of(content), {"Content-Type": FORM})
            got = self._connection.getresponse()
            body = got.read()
            return Reply(got.status, json.loads(body), float(got.headers.get("Retry-After", 0)))
        except (OSError, ValueError):
            self._connection.close()
            return Reply(0, None, 0)


def form_of(content: bytes) -> bytes:
    """Return a form with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def is_right(reply: Reply, expected: dict[str, float]) -> bool:
    """Return whether a reply holds these probabilities."""
    if reply.status != 200:
        return False
    (row,) = reply.content["predictions"]
    found = row["probabilities"]
    return found.keys() == expected.keys() and all(abs(found[k] - expected[k]) <= TOLERANCE for k in expected)


def hostile_uploads(video: bytes) -> list[bytes]:
    """Return files that no service may answer with anything but 4xx."""
    return [
        b"",
        random.Random(0).randbytes(100_000),
        video[:64],
        video[:8] + bytes(len(video)),
        b"YUV4MPEG2 W65535 H65535 F24:1 Ip A1:1 C420\nFRAME\n" + bytes(1000),
        b"#EXTM3U\n#EXTINF:4,\n/etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\x1a\x45\xdf\xa3" + random.Random(1).randbytes(200_000),
        b"GIF89a\xff\xff\xff\xff\x80\x00\x00" + bytes(50_000),
    ]


def stream_garbage(port: int, number: int, num_bytes: int) -> int:
    """Send a body of ``num_bytes`` as it is made, and return the status; kinds take turns by ``number``."""
    path, content_type, first, block = _kinds()[number % len(_kinds())]
    chunked = number % 2 == 1
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {max(num_bytes, len(first))}"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n{length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SEC) as connection:
        try:
            connection.sendall(head.encode())
            for piece in _pieces(first, block, num_bytes):
                # Who answers early wants no more.
                if select.select([connection], [], [], 0)[0]:
                    break
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            else:
                connection.sendall(b"0\r\n\r\n" if chunked else b"")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer is there nevertheless
        return _status(connection)


def _kinds() -> list[tuple[str, str, bytes, bytes]]:
    noise = random.Random(0).randbytes(BLOCK)
    part = form_of(b"").partition(f"\r\n--{BOUNDARY}--".encode())[0]
    return [
        ("/v1/predict", FORM, b"", noise),
        ("/v1/predict", FORM, part + b"\0\0\0\x18ftypisom", noise),
        ("/v1/predict", FORM, b"", part + b"\r\n"),
        ("/invocations", "application/json", b'{"inputs": {"video": ["', b"A" * BLOCK),
        ("/invocations", "application/json", b'{"inputs": {"video": ["', b'","' * (BLOCK // 3)),
        ("/invocations", "application/json", b"", b"[" * BLOCK),
        ("/invocations", "application/json", b'{"inputs": ', b" " * BLOCK),
    ]


def _pieces(first: bytes, block: bytes, num_bytes: int) -> Iterator[bytes]:
    if first:
        yield first
    left = num_bytes - len(first)
    while left > 0:
        yield block[:left]
        left -= len(block)


def _status(connection: socket.socket) -> int:
    try:
        head = connection.recv(BLOCK)
        return int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.1 ") else 0
    except (OSError, ValueError):
        return 0
