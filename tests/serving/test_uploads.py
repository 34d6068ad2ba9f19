"""Files that are no video, that break a limit of the model, or that take their process down."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from service import Asking, Service, answering_folder, base64_of, eventually, running

FAILURES, RESTARTS = "varml_decode_failures_total", "varml_worker_restarts_total"
HUGE_Y4M = b"YUV4MPEG2 W65535 H65535 F24:1 Ip A1:1 C420\nFRAME\n" + bytes(1000)


@pytest.fixture(scope="module")
def service(model_folder: Path) -> Iterator[Service]:
    with running(model_folder, num_lanes=1) as service:
        yield service


@pytest.mark.parametrize(
    "content",
    [b"", b"x", bytes(5000), b"\x89PNG\r\n\x1a\n" + bytes(100), b"#EXTM3U\n/etc/passwd\n", b"PK\x03\x04" + bytes(100)],
)
def test_what_begins_like_no_video_is_refused_by_both_routes(service: Service, video: bytes, content: bytes) -> None:
    failures = service.metric(FAILURES)
    replies = [
        service.upload(video, content),
        service.invoke({"inputs": {"video": [base64_of(video), base64_of(content)]}}),
    ]
    for reply in replies:
        assert reply.status == 415
        assert reply.error.startswith("video 2 is ")
    assert service.metric(FAILURES) == failures  # no process has seen it


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda video: video[:200], "video 1 cannot be used: "),
        (lambda video: video[:8] + bytes(len(video)), "video 1 cannot be used: "),
        (lambda video: HUGE_Y4M, "video 1 cannot be used: "),
    ],
)
def test_what_cannot_be_decoded_is_told_the_reason(service: Service, video: bytes, change, word: str) -> None:
    failures, restarts = service.metric(FAILURES), service.metric(RESTARTS)
    for reply in (service.upload(change(video)), service.invoke({"inputs": {"video": base64_of(change(video))}})):
        assert reply.status == 422
        assert word in reply.error
        for leak in (tempfile.gettempdir(), "varml-serve", ".video", "Traceback"):
            assert leak not in reply.body.decode()
    assert service.metric(FAILURES) == failures + 2
    assert service.metric(RESTARTS) == restarts
    assert service.upload(video).status == 200


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        ({"timeout_sec": 0.001, "timeout_sec_per_mb": 0}, "took longer than its limit of 0.001 s"),
        ({"max_frame_megapixels": 0.001}, "megapixel"),
    ],
)
def test_the_limits_are_those_of_the_model(tmp_path: Path, video: bytes, limits: dict[str, float], word: str) -> None:
    with running(answering_folder(tmp_path / "model", **limits), num_lanes=1) as service:
        is_late = "timeout_sec" in limits
        # One that answers within a moment is not late, however short its limit.
        with service.paused_workers() if is_late else nullcontext():
            reply = service.upload(video)
        assert (reply.status, word in reply.error) == (422, True), reply.error
        # Who is late is killed, and replaced before the next one comes.
        assert eventually(lambda: service.metric(RESTARTS) == is_late)
        assert service.metric(FAILURES) == 1


def test_a_process_that_dies_costs_no_answer(service: Service, video: bytes) -> None:
    restarts, (worker,) = service.metric(RESTARTS), service.workers()
    worker.kill()
    assert service.upload(video).status == 200
    assert eventually(lambda: service.metric(RESTARTS) == restarts + 1)  # it is counted once the answer is given
    with service.paused_workers():
        (worker,) = service.workers()
        asking = Asking(lambda: service.upload(video))
        assert eventually(lambda: service.metric("varml_in_flight") == 1)
        worker.kill()
        assert asking.result().status == 200
