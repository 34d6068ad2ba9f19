"""Reads strange files one after another in a process that is killed when a file passes a limit, and then replaced."""

from __future__ import annotations

import os
import weakref
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event

from varml.errors import VideoError
from varml.ground.isolation import Worker
from varml.ground.plugins import with_plugins
from varml.video.frame_folder import size_bytes
from varml.video.frames import Sampled
from varml.video.probe import probe_limit_sec
from varml.video.strange import StrangeVideo, read_strange

Answer = tuple[Sampled | None, str | None]


class StrangeReader:
    """One file at a time, whatever thread asks; ``memory_mb`` (MiB) bounds the process, with what its imports take.

    The process starts with the first file, for that takes longer than to decode one, and ends with the reader.
    """

    def __init__(self, memory_mb: int) -> None:
        self._stopped = Event()
        self._worker: Worker[StrangeVideo, Sampled] = Worker(with_plugins(read_strange), memory_mb, self._stopped)
        # A thread of its own starts it: on Linux a process ends with the thread that started it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="strange-reader")
        weakref.finalize(self, self._worker.end)

    def read(self, video: StrangeVideo) -> Sampled:
        """Return the frames of a file as extraction would store them, and their times.

        Raises VideoError with the name of the file and the reason where it cannot be read within its limits, and
        EngineError where no process can start.
        """
        limit_sec = probe_limit_sec(video.limits, _size_bytes(video))
        result, reason = self._wait_for(self._thread.submit(self._worker.run, video, limit_sec))
        if result is None:
            raise VideoError(f"{video.path} cannot be used: {reason}")
        return result

    def _wait_for(self, answer: Future[Answer]) -> Answer:
        try:
            return answer.result()
        except KeyboardInterrupt:  # what it works on is not worth waiting for
            self._stopped.set()
            wait([answer])
            self._worker.end()
            self._stopped.clear()
            raise


def _size_bytes(video: StrangeVideo) -> int:
    # Not the methods of Path, which raise where a name is too long.
    is_folder = video.frame_rate is not None and os.path.isdir(video.path)  # noqa: PTH112
    if not is_folder and not os.path.isfile(video.path):  # noqa: PTH113
        raise VideoError(f"{video.path} does not exist or is no regular file; name a video file")
    try:
        return size_bytes(video.path)
    except VideoError as error:
        raise VideoError(f"{video.path} cannot be used: {error}") from error
