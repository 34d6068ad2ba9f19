"""Fans work out over processes. Stages know only these three functions, so another engine can take their place.

:func:`map_isolated` is for work that may hang, crash or eat memory (decoding strangers' files): each task has
a time limit and each worker a memory limit, and a worker that breaks them is killed and replaced.
:func:`map_parallel` is for our own arithmetic, where an exception is a defect and ends the stage, and
:func:`map_in_order` for such arithmetic that may be stopped early.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.util import Finalize
from queue import SimpleQueue
from threading import Event, Lock, Thread, current_thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from varml.ground.allocator import keep_freed_memory
from varml.ground.isolation import StoppedError, Worker
from varml.ground.plugins import with_plugins
from varml.ground.worker import end_with_parent

if TYPE_CHECKING:
    from joblib import Parallel

# Outcomes that a worker may be ahead of the consumer, the one that it works on included.
_AHEAD = 4
_JOIN_SEC = 5.0

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: a result, or the reason why there is none."""

    item: Item
    result: Result | None
    reason: str | None


def resolve_num_workers(num_workers: int) -> int:
    """Return how many processes to use; 0 asks for one per core that this process may use."""
    if num_workers:
        return num_workers
    # macOS does not tie processes to cores.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_isolated(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    num_workers: int,
    timeout_sec: float | Callable[[Item], float],
    memory_mb: int,
) -> Iterator[Outcome[Item, Result]]:
    """Yield the outcome of ``function`` on each item, in order of completion.

    ``timeout_sec`` counts from the start of the task, per item. ``memory_mb`` (MiB) bounds the resident memory of a
    worker, with what its imports take; it is looked at some times a second. A worker that breaks a limit is killed
    at once, also while the consumer is busy. A task that raises, hangs, aborts or passes a limit gives an outcome
    with a reason; the others go on.

    ``function`` and the items travel to spawned processes, so both must be importable and picklable; these import the
    plugins of this process. Items are taken a few ahead of the consumer. A task whose worker dies may run once more,
    in a new one. No worker outlives the loop, however it ends, nor this process on Linux.

    Raises EngineError where a worker cannot start, and what ``timeout_sec`` raises.
    """
    if not items:
        return
    num_workers = min(resolve_num_workers(num_workers), len(items))
    limit_sec = timeout_sec if callable(timeout_sec) else lambda _: timeout_sec
    crew = _Crew(with_plugins(function), items, num_workers, limit_sec, memory_mb)
    try:
        yield from crew.outcomes()
    finally:
        crew.stop()


def map_parallel(function: Callable[[Item], Result], items: Sequence[Item], *, num_workers: int) -> Iterator[Result]:
    """Yield the result of ``function`` on each item, in order of completion; an exception ends the loop."""
    from joblib import delayed

    if not items:
        return
    pool = _joblib(min(resolve_num_workers(num_workers), len(items)), return_as="generator_unordered")
    call = delayed(partial(_computing, os.getpid(), with_plugins(function)))
    yield from pool(call(item) for item in items)


def map_in_order(function: Callable[[Item], Result], items: Iterable[Item], *, num_workers: int) -> Iterator[Result]:
    """Yield the result of ``function`` on each item, in the order of ``items``; an exception ends the loop.

    As many items at a time are taken and worked on as there are processes, so that a caller who stops early has wasted
    less than one round. With ``num_workers`` 1 all is done in this process. No worker outlives this process on Linux.
    """
    from joblib import delayed

    num_workers, waiting = resolve_num_workers(num_workers), iter(items)
    if num_workers == 1:
        yield from map(function, waiting)
        return
    call = delayed(partial(_tied, os.getpid(), with_plugins(function)))
    # Arrays travel by value: joblib would map large ones from files, and its tracker loses count of those that two
    # tasks share and prints a traceback for each.
    pool = _joblib(num_workers, max_nbytes=None)
    while some := list(islice(waiting, num_workers)):
        yield from pool(call(item) for item in some)


def _joblib(num_workers: int, **options: Any) -> Parallel:
    from joblib import Parallel

    # joblib replaces a worker whose memory grows and says so each time; nothing is lost by it.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
    # One thread a worker: the bytes of a result must not depend on how many cores the machine has.
    return Parallel(n_jobs=num_workers, inner_max_num_threads=1, **options)


def _computing(parent: int, function: Callable[[Item], Result], item: Item) -> Result:
    """Return the result of ``function`` in a worker of the process ``parent``, which keeps the memory that it frees."""
    if os.getpid() != parent:  # joblib works on a single item here
        keep_freed_memory()
    return function(item)


def _tied(parent: int, function: Callable[[Item], Result], item: Item) -> Result:
    """Return the result of ``function`` as :func:`_computing` does, in a worker that ends with ``parent``."""
    if os.getpid() != parent:
        end_with_parent(parent)
    return _computing(parent, function, item)


class _Crew(Generic[Item, Result]):
    """Threads that attend to one worker each and go through the items together, whatever the consumer does.

    At most a few outcomes a worker wait for the consumer, so memory does not grow with the number of items.
    """

    def __init__(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        num_workers: int,
        limit_sec: Callable[[Item], float],
        memory_mb: int,
    ) -> None:
        self._items, self._taking = iter(items), Lock()
        self._limit_sec = limit_sec
        self._stopped = Event()
        self._outcomes: SimpleQueue[Outcome[Item, Result] | BaseException | None] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        self._make_room(_AHEAD * num_workers)
        workers: list[Worker[Item, Result]] = [Worker(function, memory_mb, self._stopped) for _ in range(num_workers)]
        self._threads = [Thread(target=self._attend, args=[worker], daemon=True) for worker in workers]
        # An interrupt in the consumer may leave the loop open; then multiprocessing would wait for the workers at exit.
        self._at_exit = Finalize(None, self.stop, exitpriority=0)

    def outcomes(self) -> Iterator[Outcome[Item, Result]]:
        """Yield each outcome as it comes; raises what an attending thread raised."""
        for thread in self._threads:
            thread.start()
        at_work = len(self._threads)
        while at_work:
            outcome = self._outcomes.get()
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome is None:
                at_work -= 1
            else:
                yield outcome
                self._make_room(1)

    def stop(self) -> None:
        """End all workers, whatever they do, and wait until they are gone."""
        self._stopped.set()
        self._make_room(len(self._threads))
        for thread in self._threads:
            # A forgotten loop may be collected in any thread.
            if thread.ident and thread is not current_thread():
                thread.join(_JOIN_SEC)
        self._at_exit.cancel()

    def _make_room(self, num_outcomes: int) -> None:
        for _ in range(num_outcomes):
            self._room.put(None)

    def _attend(self, worker: Worker[Item, Result]) -> None:
        try:
            for item in self._turns():
                self._outcomes.put(Outcome(item, *worker.run(item, self._limit_sec(item))))
        except StoppedError:
            pass
        except BaseException as error:
            self._outcomes.put(error)
        finally:
            worker.end()
            self._outcomes.put(None)

    def _turns(self) -> Iterator[Item]:
        """Yield the items that fall to the thread that asks, each as soon as there is room for its outcome."""
        while True:
            self._room.get()
            if self._stopped.is_set():
                return
            with self._taking:
                try:
                    item = next(self._items)
                except StopIteration:
                    return
            yield item
