"""More requests than lanes: they wait, are refused, are late, or leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from service import FORM, Asking, Service, eventually, form_of, running


@pytest.fixture(scope="module")
def service(model_folder: Path) -> Iterator[Service]:
    with running(model_folder, num_lanes=1, num_waiting=1, request_timeout_sec=8) as service:
        yield service


def in_flight(service: Service, num_running: int, num_waiting: int) -> bool:
    found = (service.metric("varml_in_flight"), service.metric("varml_queue_depth"))
    return found == (num_running, num_waiting)


def test_who_finds_the_queue_full_is_told_when_to_come_back(service: Service, video: bytes) -> None:
    with service.paused_workers():
        first = Asking(lambda: service.upload(video))
        assert eventually(lambda: in_flight(service, 1, 0))
        second = Asking(lambda: service.upload(video))
        assert eventually(lambda: in_flight(service, 1, 1))
        refused = service.upload(video)
        with service.connected() as connection:  # before the body is there
            head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM['Content-Type']}\r\n"
            connection.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 503 ")
        assert service.ask("GET", "/ping").status == 200
    assert refused.status == 503
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["connection"] == "close"
    assert refused.error == "as many requests wait as may; ask again later"
    assert [first.result().status, second.result().status] == [200, 200]


def test_who_waits_too_long_is_told_so_and_the_next_is_answered(service: Service, video: bytes) -> None:
    with service.paused_workers():
        running_one = Asking(lambda: service.upload(video))
        assert eventually(lambda: in_flight(service, 1, 0))
        waiting_one = Asking(lambda: service.upload(video))
        assert running_one.result().status == 504
        assert running_one.result().error.startswith("the answer takes longer than a request may")
        # This one could not be begun in time, and may be asked again.
        assert waiting_one.result().status == 503
        assert int(waiting_one.result().headers["retry-after"]) >= 1
        assert waiting_one.result().headers["connection"] == "close"  # its body was read, and yet
    assert eventually(lambda: service.upload(video).status == 200)  # once a new process is there
    assert service.metric("varml_decode_failures_total") == 0  # it is not the video's fault


def test_who_leaves_is_not_waited_for(service: Service, video: bytes) -> None:
    left = 'varml_requests_total{route="/v1/predict",status="499"}'
    before = service.metric(left)
    with service.paused_workers():
        first = Asking(lambda: service.upload(video))
        assert eventually(lambda: in_flight(service, 1, 0))
        with service.connected() as connection:
            body = form_of(video)
            head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM['Content-Type']}\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert eventually(lambda: in_flight(service, 1, 1))
        assert eventually(lambda: service.metric(left) == before + 1)
    assert first.result().status == 200
    assert eventually(lambda: in_flight(service, 0, 0))


def test_nobody_is_let_in_who_would_wait_too_long(model_folder: Path, video: bytes) -> None:
    # At about a second each, the fifth would wait for more than half of its time.
    with running(model_folder, num_lanes=1, num_waiting=50, request_timeout_sec=8) as service:
        with service.paused_workers():
            many = [Asking(lambda: service.upload(video)) for _ in range(12)]
            refused = 'varml_requests_total{route="/v1/predict",status="503"}'
            assert eventually(lambda: service.metric(refused) + service.metric("varml_queue_depth") == 11)
            assert 2 <= service.metric("varml_queue_depth") <= 6
        replies = [asking.result() for asking in many]
    assert {reply.status for reply in replies} == {200, 503}
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in replies if reply.status == 503)
