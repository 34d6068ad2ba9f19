"""Fans work out over processes. Stages know only these two functions, so another engine can take their place.

:func:`map_isolated` is for work that may hang, crash or eat memory (decoding strangers' files): each task has
a time limit and each worker a memory limit, and a worker that breaks them is killed and replaced.
:func:`map_parallel` is for our own arithmetic, where an exception is a defect and ends the stage.
"""

from __future__ import annotations

import os
import resource
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Generic, TypeVar

from varml.errors import VarmlError

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

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
    return num_workers or len(os.sched_getaffinity(0))


def map_isolated(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    num_workers: int,
    timeout_sec: float | Callable[[Item], float],
    memory_mb: int,
) -> Iterator[Outcome[Item, Result]]:
    """Yield the outcome of ``function`` on each item, in order of completion.

    ``timeout_sec`` counts from the start of the task, per item; ``memory_mb`` bounds a worker's address space.
    ``function`` and the items travel to spawned processes, so both must be importable and picklable. A task
    that raises, hangs, aborts or runs out of memory gives an outcome with a reason; the others go on.
    """
    from pebble import ProcessPool

    if not items:
        return
    num_workers = min(resolve_num_workers(num_workers), len(items))
    limit = timeout_sec if callable(timeout_sec) else lambda _: timeout_sec
    pool = ProcessPool(num_workers, context=get_context("spawn"), initializer=_limit_worker, initargs=[memory_mb])
    with _one_thread_in_children():
        yield from _scheduled(pool, function, items, limit)


def _scheduled(
    pool: Any, function: Callable[[Item], Result], items: Sequence[Item], limit: Callable[[Item], float]
) -> Iterator[Outcome[Item, Result]]:
    try:
        futures = {pool.schedule(function, args=[item], timeout=limit(item)): item for item in items}
        for future in as_completed(futures):
            item = futures.pop(future)
            yield _outcome(item, future, limit(item))
        pool.close()
    finally:
        # After an interrupt nothing that still runs is worth waiting for.
        pool.stop()
        pool.join()


def map_parallel(function: Callable[[Item], Result], items: Sequence[Item], *, num_workers: int) -> Iterator[Result]:
    """Yield the result of ``function`` on each item, in order of completion; an exception ends the loop."""
    from joblib import Parallel, delayed

    if not items:
        return
    # joblib replaces a worker whose memory grows and says so each time; nothing is lost by it.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
    num_workers = min(resolve_num_workers(num_workers), len(items))
    # One thread a worker: the bytes of a result must not depend on how many cores the machine has.
    pool = Parallel(n_jobs=num_workers, return_as="generator_unordered", inner_max_num_threads=1)
    yield from pool(delayed(function)(item) for item in items)


@contextmanager
def _one_thread_in_children() -> Iterator[None]:
    """Let processes that start now take one thread in numeric libraries.

    Each thread reserves address space; with many cores that alone would pass a worker's limit.
    """
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


def _limit_worker(memory_mb: int) -> None:
    # Ctrl-C reaches the whole process group; the parent alone answers it and stops the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    # A worker that aborts must not leave a core file behind.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _outcome(item: Item, future: object, limit_sec: float) -> Outcome[Item, Result]:
    from pebble import ProcessExpired

    try:
        return Outcome(item, future.result(), None)  # type: ignore[attr-defined]
    except FutureTimeoutError:
        reason = f"took longer than its limit of {limit_sec:g} s"
    except ProcessExpired as error:
        reason = f"its process ended (exit code {error.exitcode})"
    except MemoryError:
        reason = "took more memory than its limit"
    except VarmlError as error:
        reason = str(error)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    return Outcome(item, None, reason)
