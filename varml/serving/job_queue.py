"""A bounded queue from which a job goes as soon as nobody waits for its answer, so that it takes no other's place."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition

from varml.inference.predictor import Prediction


@dataclass(frozen=True, eq=False)
class Job:
    """The videos of one request, and until when (monotonic seconds) somebody waits for their answers."""

    videos: Sequence[Path]
    until: float
    answer: Future[list[Prediction]] = field(default_factory=Future)


class JobQueue:
    """At most ``max_jobs`` jobs, first in, first out."""

    def __init__(self, max_jobs: int) -> None:
        self._max_jobs, self._jobs = max_jobs, deque[Job]()
        self._changed, self._closed = Condition(), False

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def is_full(self) -> bool:
        """Whether there is no place, or no more jobs are taken."""
        return self._closed or len(self._jobs) >= self._max_jobs

    def put(self, job: Job) -> bool:
        """Let a job wait, and return whether there was a place for it."""
        with self._changed:
            if self.is_full:
                return False
            self._jobs.append(job)
            self._changed.notify()
        # Outside of the lock: an answer that nobody waits for already calls at once.
        job.answer.add_done_callback(lambda _: self._remove(job))
        return True

    def get(self) -> Job | None:
        """Return the next job once there is one, or None once the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            return self._jobs.popleft() if self._jobs and not self._closed else None

    def close(self) -> list[Job]:
        """Give out and take no more jobs, and return those that wait."""
        with self._changed:
            self._closed, left = True, list(self._jobs)
            self._jobs.clear()
            self._changed.notify_all()
        return left

    def _remove(self, job: Job) -> None:
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
