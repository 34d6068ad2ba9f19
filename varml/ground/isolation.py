"""A worker process and who watches it: it is killed when a task takes too long or too much resident memory.

Each process has a connection of its own and shares no lock and no queue, so killing it at any moment, also while it
sends a result, costs its own task and no other.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from threading import Event, Lock
from typing import Any, Generic, TypeVar

import psutil

from varml.errors import EngineError
from varml.ground.worker import HEADER_BYTES, error_reason, memory_reason, serve

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOK_SEC = 0.05
# A killed process is gone at once, unless it waits for a dead disk; nobody waits for that.
_GRACE_SEC = 1.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_SPAWN = get_context("spawn")
# multiprocessing reaps any ended child when one starts, so starting, killing and reaping take turns.
_PROCESSES = Lock()


class StoppedError(Exception):
    """The loop over the outcomes was left; nothing that still runs is worth waiting for."""


class _LostError(Exception):
    """The process is gone or to be killed; the text says why."""


class _LateError(_LostError):
    """The task passed its time limit."""


class Worker(Generic[Item, Result]):
    """Answers one item at a time in a process that is replaced when it is lost.

    ``function`` and the items must be importable and picklable; ``memory_mb`` (MiB) bounds the resident memory. Setting
    ``stopped`` ends what runs. ``num_started`` counts the processes that were started.
    """

    def __init__(self, function: Callable[[Item], Result], memory_mb: int, stopped: Event) -> None:
        self._new_process = lambda: _Process(function, memory_mb, stopped)
        self._process: _Process | None = None
        self.num_started = 0

    def start(self) -> None:
        """Start the process where there is none, so that the next item need not wait; raises as :meth:`run` does."""
        if self._process is None:
            self._process = self._new_process()
            self.num_started += 1

    def run(self, item: Item, limit_sec: float) -> tuple[Result | None, str | None]:
        """Return the result of ``item``, or the reason why there is none, beside None.

        A process that served other items before may be lost for what they left behind, so ``item`` runs once
        more in a new one; an item that is late has had its time. Raises StoppedError once the loop is left, and
        EngineError where no process can start.
        """
        try:
            content = pickle.dumps(item)
        except Exception as error:
            return None, error_reason(error)
        while True:
            new = self._process is None
            self.start()
            assert self._process is not None
            try:
                return self._process.ask(content, limit_sec)
            except _LostError as lost:
                self.end()
                if new or isinstance(lost, _LateError):
                    return None, str(lost)

    def end(self) -> None:
        """Kill the process, if there is one."""
        if self._process:
            self._process.end()
        self._process = None


class _Process:
    """One spawned process, ready for its first item."""

    def __init__(self, function: Callable[[Any], Any], memory_mb: int, stopped: Event) -> None:
        self._memory_mb = memory_mb
        self._stopped = stopped
        self._limit_sec = self._until = float("inf")
        self._connection, theirs = socket.socketpair()
        self._connection.settimeout(_LOOK_SEC)
        self._process = _SPAWN.Process(target=serve, args=(theirs, function, memory_mb, os.getpid()), daemon=True)
        with theirs, _PROCESSES, _one_thread_in_children():
            self._process.start()
            self._resident = psutil.Process(self._process.pid)
        self._wait_until_ready()

    def ask(self, content: bytes, limit_sec: float) -> tuple[Any, str | None]:
        """Return the result of the pickled item, or the reason why there is none; raises as :meth:`_look` does."""
        self._limit_sec, self._until = limit_sec, time.monotonic() + limit_sec
        self._send(content)
        answer = self._receive()
        try:
            result, reason = pickle.loads(answer)
        except Exception as error:
            return None, error_reason(error)
        return result, reason

    def end(self) -> int | None:
        """Kill the process and return its exit code; None where it is still there after a moment."""
        self._connection.close()
        with _PROCESSES:
            self._process.kill()
        self._process.join(_GRACE_SEC)
        with _PROCESSES:
            return self._process.exitcode

    def _wait_until_ready(self) -> None:
        try:
            self._receive()
        except _LostError as lost:
            self.end()
            raise EngineError(
                f"a worker must start before it gets a task: {lost}; mend what it printed, or raise memory_mb if that "
                "is the reason"
            ) from None
        except BaseException:
            self.end()
            raise

    def _send(self, content: bytes) -> None:
        left = memoryview(len(content).to_bytes(HEADER_BYTES, "big") + content)
        while left:
            left = left[self._exchange(self._connection.send, left) :]

    def _receive(self) -> bytearray:
        return self._receive_bytes(int.from_bytes(self._receive_bytes(HEADER_BYTES), "big"))

    def _receive_bytes(self, num_bytes: int) -> bytearray:
        content = bytearray(num_bytes)
        left = memoryview(content)
        while left:
            left = left[self._exchange(self._connection.recv_into, left) :]
        return content

    def _exchange(self, some: Callable[[memoryview], int], view: memoryview) -> int:
        """Return how many bytes of ``view`` the socket took or gave, looking at the process while there are none."""
        while True:
            try:
                count = some(view)
            except TimeoutError:
                self._look()
                continue
            except OSError:
                count = 0
            if not count:
                raise _LostError(self._how_it_ended())
            return count

    def _look(self) -> None:
        """Raise _LostError where the process is gone or breaks a limit, and StoppedError where the loop is left."""
        if self._stopped.is_set():
            raise StoppedError
        if time.monotonic() > self._until:
            raise _LateError(f"took longer than its limit of {self._limit_sec:.3g} s")
        if self._resident_bytes() > self._memory_mb << 20:
            raise _LostError(memory_reason(self._memory_mb))
        # What a task started may hold the connection open after the worker is gone.
        if not self._process.is_alive():
            raise _LostError(self._how_it_ended())

    def _resident_bytes(self) -> int:
        try:
            return int(self._resident.memory_info().rss)
        except psutil.Error:  # it ended just now
            return 0

    def _how_it_ended(self) -> str:
        # It closes the connection a little before it ends; its own exit code tells more than that of a kill.
        self._process.join(_GRACE_SEC)
        code = self.end()
        if code is None or code >= 0:
            return f"its process ended (exit code {code})"
        try:
            return f"its process ended by {signal.Signals(-code).name}"
        except ValueError:  # the real-time signals have no name
            return f"its process ended by signal {-code}"


@contextmanager
def _one_thread_in_children() -> Iterator[None]:
    """Let processes that start now take one thread in numeric libraries: there is a process for each core."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
