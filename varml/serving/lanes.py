"""The lanes in which videos are worked on: each decodes in a warm process of its own, and answers in a thread.

Requests wait in one bounded queue; whoever finds it full is told when to ask again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread

from varml.errors import EngineError
from varml.ground.isolation import StoppedError, Worker
from varml.ground.plugins import with_plugins
from varml.inference.predictor import Prediction, Predictor
from varml.serving.decoding import Unreadable, decode_upload
from varml.serving.job_queue import Job, JobQueue
from varml.serving.refusals import Refusal, busy, shutting_down
from varml.serving.telemetry import Telemetry
from varml.video.probe import probe_limit_sec
from varml.video.reader import Frames
from varml.video.strange import StrangeVideo

_MAX_RETRY_SEC = 60
_JOIN_SEC = 5.0
# How much the last request counts in the mean by which the time to wait is told.
_SHARE_OF_LAST = 0.2


class Lanes:
    """``num_lanes`` requests at a time, and ``num_waiting`` that wait for their turn, for ``max_wait_sec`` at most.

    How long a request would wait is told by the mean time of those before.
    """

    def __init__(
        self,
        predictor: Predictor,
        telemetry: Telemetry,
        *,
        num_lanes: int,
        num_threads: int,
        num_waiting: int,
        max_wait_sec: float,
    ) -> None:
        self._predictor = predictor
        self._jobs = JobQueue(num_waiting)
        self._stopped = Event()
        self._mean_sec, self._max_wait_sec = 1.0, max_wait_sec
        lanes = [_Lane(predictor, telemetry, self._stopped) for _ in range(num_lanes)]
        self._ready: SimpleQueue[BaseException | None] = SimpleQueue()
        self._threads = [Thread(target=self._attend, args=[lane, num_threads], daemon=True) for lane in lanes]
        telemetry.watch("queue_depth", "requests that wait for a lane", self._jobs.__len__)
        telemetry.watch("in_flight", "requests that are worked on", lambda: sum(lane.busy for lane in lanes))

    def start(self) -> None:
        """Start all lanes and wait until they are warm; raises EngineError where a worker cannot start."""
        for thread in self._threads:
            thread.start()
        for fault in [self._ready.get() for _ in self._threads]:
            if fault is not None:
                raise fault

    def check_room(self) -> None:
        """Raise Refusal (503) where a request would find no place now, so that nobody need send a body in vain."""
        # Who comes to an empty queue is always let in, so that the mean stays that of the present.
        if self._jobs.is_full or self._wait_sec(len(self._jobs)) > self._max_wait_sec:
            raise self.busy()

    def submit(self, videos: Sequence[Path], until: float) -> Future[list[Prediction]]:
        """Let the videos be worked on, and return what will hold the answers; raises as :meth:`check_room` does.

        In place of answers there is Refusal 422 where a video cannot be read, 503 where so much time passed in the
        queue that too little was left, 504 where there was time and the answer is later than ``until``.
        """
        self.check_room()
        job = Job(videos, until)
        if not self._jobs.put(job):
            raise self.busy()
        return job.answer

    def stop(self) -> None:
        """End everything at once: who waits is refused, workers are killed."""
        self._stopped.set()
        for job in self._jobs.close():
            if job.answer.set_running_or_notify_cancel():
                job.answer.set_exception(shutting_down())
        for thread in self._threads:
            if thread.ident:
                thread.join(_JOIN_SEC)

    def busy(self) -> Refusal:
        """Return the refusal of a request for which there is no time or no place."""
        wait_sec = self._wait_sec(len(self._jobs) + 1)
        return busy("as many requests wait as may; ask again later", min(wait_sec, _MAX_RETRY_SEC))

    def _refuse(self, job: Job) -> None:
        if job.answer.set_running_or_notify_cancel():
            job.answer.set_exception(self.busy())

    def _wait_sec(self, num_before: int) -> float:
        return self._mean_sec * num_before / len(self._threads)

    def _attend(self, lane: _Lane, num_threads: int) -> None:
        try:
            lane.start(num_threads)
            self._ready.put(None)
            while (job := self._jobs.get()) is not None:
                start = time.monotonic()
                if job.until - start < min(self._mean_sec, self._max_wait_sec):
                    # To begin and be late would cost a process, and the time of those behind.
                    self._refuse(job)
                    continue
                lane.work(job)
                self._mean_sec += _SHARE_OF_LAST * (time.monotonic() - start - self._mean_sec)
        except BaseException as error:
            self._ready.put(error)
        finally:
            lane.end()


class _Lane:
    """One worker process, and the thread that attends to it."""

    def __init__(self, predictor: Predictor, telemetry: Telemetry, stopped: Event) -> None:
        self._predictor, self._telemetry = predictor, telemetry
        self._preprocessing = predictor.model.description.preprocessing
        memory_mb = self._preprocessing.probe.memory_mb
        self._worker: Worker[StrangeVideo, Frames | Unreadable] = Worker(
            with_plugins(decode_upload), memory_mb, stopped
        )
        self.busy = False

    def start(self, num_threads: int) -> None:
        """Warm the process, and let this thread take ``num_threads`` of torch."""
        import torch

        torch.set_num_threads(num_threads)
        self._worker.start()

    def end(self) -> None:
        """Kill the process."""
        self._worker.end()

    def work(self, job: Job) -> None:
        """Give a job its answer, whatever comes, unless nobody waits for it any more."""
        if not job.answer.set_running_or_notify_cancel():
            return
        self.busy, num_before = True, self._worker.num_started
        try:
            job.answer.set_result([self._answer(job, number) for number in range(len(job.videos))])
        except StoppedError:
            job.answer.set_exception(shutting_down())
        except EngineError:
            job.answer.set_exception(busy("the service lacks memory or processes; ask again later", 1))
        except Exception as error:
            job.answer.set_exception(error)
        self._renew(num_before)
        self.busy = False

    def _answer(self, job: Job, number: int) -> Prediction:
        return self._predictor.answer(self._frames(job.videos[number], number, job.until))

    def _frames(self, path: Path, number: int, until: float) -> Frames:
        pre, left_sec = self._preprocessing, until - time.monotonic()
        if left_sec <= 0 or not path.is_file():
            raise too_late()
        limit_sec = min(probe_limit_sec(pre.probe, path.stat().st_size), left_sec)
        result, reason = self._worker.run(StrangeVideo(path, pre.frames, pre.probe), limit_sec)
        if result is not None and not isinstance(result, Unreadable):
            return result
        if time.monotonic() >= until:
            raise too_late()
        self._telemetry.decode_failures.inc()
        why = result.reason if isinstance(result, Unreadable) else reason
        raise Refusal(422, f"video {number + 1} cannot be used: {why}")

    def _renew(self, num_before: int) -> None:
        """Replace a process that was lost now, not when the next request would wait for it."""
        with suppress(EngineError, StoppedError):  # the next request says so, if it is so still
            self._worker.start()
        self._telemetry.worker_restarts.inc(self._worker.num_started - num_before)


def too_late() -> Refusal:
    """Return the refusal of a request whose time is over."""
    return Refusal(504, "the answer takes longer than a request may; send fewer or shorter videos")
