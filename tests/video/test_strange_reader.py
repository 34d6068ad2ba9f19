"""The process that reads strange files: kept for the next file, replaced when it is lost, gone with its reader."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread, Timer

import numpy as np
import psutil
import pytest
from processes import command_of

from varml.config import load_params
from varml.data.sample import make_sample
from varml.errors import VideoError
from varml.video.strange import StrangeVideo, read_strange
from varml.video.strange_reader import StrangeReader

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
LIMITS = PARAMS.ingest.probe


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[StrangeVideo]:
    files = make_sample(tmp_path_factory.mktemp("videos"), actions=["wave", "kick"], num_persons=1, clips_per_person=1)
    return [StrangeVideo(file, PARAMS.frames, LIMITS) for file in files]


@pytest.fixture
def reader() -> StrangeReader:
    return StrangeReader(LIMITS.memory_mb)


def late(video: StrangeVideo) -> StrangeVideo:
    limits = video.limits.model_copy(update={"timeout_sec": 1e-6, "timeout_sec_per_mb": 0.0})
    return StrangeVideo(video.path, video.params, limits)


def spawned() -> set[psutil.Process]:
    """Return the processes that wait for files; multiprocessing has one more, which counts what it shares."""
    return {one for one in psutil.Process().children() if "spawn_main" in command_of(one)}


def process_of(read: Callable[[], object]) -> psutil.Process:
    """Return the one process that ``read`` starts."""
    before = spawned()
    read()
    (process,) = spawned() - before
    return process


def is_gone(process: psutil.Process) -> bool:
    deadline = time.monotonic() + 20
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_files_are_read_one_after_another_by_one_process(reader: StrangeReader, videos: list[StrangeVideo]) -> None:
    process = process_of(lambda: reader.read(videos[0]))
    for video in videos:
        np.testing.assert_array_equal(reader.read(video).frames, read_strange(video).frames)
    assert process.is_running()
    assert not np.array_equal(reader.read(videos[0]).frames, reader.read(videos[1]).frames)


@pytest.mark.parametrize("lose", ["kill", "late"])
def test_after_a_process_is_lost_the_next_file_is_read(
    reader: StrangeReader, videos: list[StrangeVideo], lose: str
) -> None:
    process = process_of(lambda: reader.read(videos[0]))
    if lose == "kill":
        process.kill()
    else:
        process.suspend()  # one that answers within a moment is not late, however short its limit
        with pytest.raises(VideoError, match=f"{videos[0].path} cannot be used: took longer than its limit"):
            reader.read(late(videos[0]))
    assert reader.read(videos[1]).frames.any()
    assert is_gone(process)


def test_the_process_outlives_the_thread_that_asked_first(reader: StrangeReader, videos: list[StrangeVideo]) -> None:
    def ask() -> None:
        asking = Thread(target=reader.read, args=[videos[0]])
        asking.start()
        asking.join()

    process = process_of(ask)
    time.sleep(0.5)
    reader.read(videos[1])
    assert process.is_running()


def test_the_process_ends_with_its_reader(videos: list[StrangeVideo]) -> None:
    readers = [StrangeReader(LIMITS.memory_mb)]
    process = process_of(lambda: readers[0].read(videos[0]))
    readers.clear()
    assert is_gone(process)


def test_an_interrupt_waits_for_nothing_and_the_reader_serves_on(
    reader: StrangeReader, videos: list[StrangeVideo]
) -> None:
    process = process_of(lambda: reader.read(videos[0]))
    process.suspend()  # it answers no more
    Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        reader.read(videos[0])
    assert time.monotonic() - start < videos[0].limits.timeout_sec / 2
    assert is_gone(process)
    assert reader.read(videos[1]).frames.any()


def test_what_is_no_file_needs_no_process(reader: StrangeReader, tmp_path: Path) -> None:
    missing = StrangeVideo(tmp_path / "none.mp4", PARAMS.frames, LIMITS)
    before = spawned()
    with pytest.raises(VideoError, match=r"none\.mp4 does not exist or is no regular file; name a video file"):
        reader.read(missing)
    assert spawned() <= before
