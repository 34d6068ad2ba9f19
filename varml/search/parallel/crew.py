"""Processes of this machine that work on a study side by side; one that dies is replaced."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from varml.errors import EngineError
from varml.ground.allocator import keep_freed_memory
from varml.ground.plugins import with_plugins
from varml.ground.worker import end_with_parent
from varml.search.parallel.shared_study import SharedStudy, Work
from varml.search.parallel.worker import work_on

# Spawned and not forked: threads of torch and MLflow do not survive a fork.
_SPAWN = get_context("spawn")
# The signals of a process that has done something wrong itself; any other may come from outside.
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}
# So many workers in a row that die before they have begun a trial will not be followed by one that does not.
MAX_FALSE_STARTS = 3
_END_SEC = 20.0


@dataclass
class _Member:
    process: BaseProcess
    said: Connection


@dataclass(frozen=True)
class _Duty:
    """What a worker process is told."""

    work: Work
    said: Connection
    parent: int
    until: float


@dataclass
class Crew:
    """``num_workers`` processes that work on ``shared`` from the entry into the ``with`` block until its end.

    No worker outlives the block, nor this process on Linux.
    """

    shared: SharedStudy
    num_workers: int
    until: float = float("inf")  # of the wall clock, which all processes of a machine share
    _members: list[_Member] = field(default_factory=list)
    _false_starts: int = 0

    def __enter__(self) -> Crew:
        for _ in range(self.num_workers):
            self._start()
        return self

    def watch(self, timeout_sec: float) -> bool:
        """Wait so long for workers to end, replace those that died, and return whether any is at work.

        Raises what a worker raised, and EngineError where none comes as far as a trial.
        """
        if self._members:
            wait([member.process.sentinel for member in self._members], timeout_sec)
        for member in [member for member in self._members if member.process.exitcode is not None]:
            self._members.remove(member)
            self._after(member)
        return bool(self._members)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End what is still at work; an interrupt reaches workers too, who have a while to give their trials back."""
        until = time.monotonic() + (_END_SEC if kind is KeyboardInterrupt else 0)
        for member in self._members:
            member.process.join(max(0.0, until - time.monotonic()))
            member.process.kill()
            member.process.join()
        self.shared.reap()

    def _start(self) -> None:
        ours, theirs = _SPAWN.Pipe(duplex=False)
        duty = _Duty(self.shared.work, theirs, os.getpid(), self.until)
        process = _SPAWN.Process(target=with_plugins(_serve), args=(duty,))
        process.start()
        theirs.close()
        self._members.append(_Member(process, ours))

    def _after(self, member: _Member) -> None:
        said = _all_said(member.said)
        for message in said:
            if isinstance(message, BaseException):
                raise message
        status = member.process.exitcode
        if status == 0:
            return
        self._false_starts = 0 if said else self._false_starts + 1
        if self._false_starts >= MAX_FALSE_STARTS:
            raise EngineError(
                f"workers of the search must come as far as a trial; {self._false_starts} in a row ended before, the "
                f"last one {_how(status)}; mend what they printed, or lower search.num_workers if memory is short"
            )
        if status is not None and -status in CRASHES:
            self.shared.note_crash(member.process.pid or 0, f"its process ended {_how(status)}")
        self._start()


def _serve(duty: _Duty) -> None:
    """Work in a process of its own; what it raises goes to the parent, which raises it."""
    end_with_parent(duty.parent)
    keep_freed_memory()
    try:
        shared, objective = SharedStudy.open(duty.work), duty.work.make_objective()
        duty.said.send("ready")
        work_on(shared, objective, until=duty.until)
    except KeyboardInterrupt:
        pass  # the parent has got it too, and says so
    except Exception as error:
        _say(duty.said, error)
        sys.exit(1)


def _say(connection: Connection, error: Exception) -> None:
    try:
        connection.send(error)
    except Exception:  # it cannot be pickled
        connection.send(EngineError(f"a worker of the search ended with {error!r}"))


def _all_said(connection: Connection) -> list[object]:
    said = []
    try:
        while connection.poll():
            said.append(connection.recv())
    except EOFError:
        pass
    connection.close()
    return said


def _how(status: int | None) -> str:
    if status is None or status >= 0:
        return f"with status {status}"
    return f"by {signal.Signals(-status).name}"
