"""Who may ask: the token, the name in Host, the site of a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from service import Service, read_all, running

TOKEN = "0123456789abcdef-secret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def service(model_folder: Path) -> Iterator[Service]:
    with running(model_folder, token=TOKEN, allowed_hosts=("Videos.example.org",), num_lanes=1) as service:
        yield service


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer \xe9"},
    ],
)
def test_without_the_token_nothing_is_said(service: Service, video: bytes, headers: dict[str, str]) -> None:
    for path in ("/version", "/metrics", "/docs", "/openapi.json", "/nothing"):
        reply = service.ask("GET", path, headers=headers)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
        assert TOKEN not in reply.body.decode()
    assert service.upload(video, **headers).status == 401
    assert service.invoke({"inputs": []}, **headers).status == 401


def test_with_the_token_it_answers(service: Service, video: bytes) -> None:
    assert service.ask("GET", "/version", headers=BEARER).status == 200
    assert service.upload(video, **BEARER).status == 200
    assert service.ask("GET", "/version", headers={"Authorization": f"bearer  {TOKEN} "}).status == 200


def test_ping_needs_no_token(service: Service) -> None:
    assert service.ask("GET", "/ping").status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("localhost.", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8000", 200),
        ("videos.example.org", 200),
        ("evil.example.org", 403),
        ("videos.example.org.evil.org", 403),
        ("evil.org/localhost", 403),
        ("evil.org@localhost", 403),
        ("localhost@evil.org", 403),
        ("localhost:x", 403),
        ("169.254.169.254", 403),
        ("", 403),
    ],
)
def test_only_known_names_are_answered(service: Service, host: str, status: int) -> None:
    reply = service.ask("GET", "/ping", headers={"Host": host})
    assert reply.status == status
    if status == 403:
        assert reply.error == "the header Host must name this service; --allowed-host lets another name in"


def test_a_request_without_a_name_is_refused(service: Service) -> None:
    with service.connected() as connection:
        connection.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 403 ")
    with service.connected() as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nHost: evil.org\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost:8000"}, 200),
        ({"Origin": "https://localhost:8000"}, 200),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "http://evil.example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[evil"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_pages_of_other_sites_are_refused(service: Service, headers: dict[str, str], status: int) -> None:
    reply = service.ask("GET", "/version", headers={"Host": "localhost:8000", **BEARER, **headers})
    assert reply.status == status
    assert status == 200 or reply.error == "pages of other sites may not ask this service"
    assert "access-control-allow-origin" not in reply.headers
