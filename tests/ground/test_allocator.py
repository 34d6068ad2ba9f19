"""Memory that a process frees: the kernel clears its pages once where it is kept, and each time where it is not."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from varml.ground.allocator import keep_freed_memory
from varml.ground.engine import map_in_order, map_parallel

ARRAY_BYTES = 64 << 20
ROUNDS = 5
PAGES = ROUNDS * ARRAY_BYTES // resource.getpagesize()


def faults_of_rounds() -> int:
    """Return how many pages the kernel had to give while an array was made and freed several times."""

    def make() -> None:
        np.full(ARRAY_BYTES, 1, dtype=np.uint8)

    make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(ROUNDS):
        make()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def faults_in_worker(_: int) -> tuple[int, int]:
    """Return the process, and what :func:`faults_of_rounds` says there."""
    return os.getpid(), faults_of_rounds()


def faults_in_thread() -> int:
    """Return what :func:`faults_of_rounds` says in a thread that is not the first."""
    said: list[int] = []
    thread = threading.Thread(target=lambda: said.append(faults_of_rounds()))
    thread.start()
    thread.join()
    return said[0]


def in_new_process(call: str, *, keeps: bool) -> int:
    """Return what ``call`` of this module gives in a process that keeps what it frees, or does not."""
    code = f"import test_allocator as here; {'here.keep_freed_memory();' if keeps else ''} print(here.{call}())"
    # Huge pages would hide most faults of the process that gives back.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "NUMPY_MADVISE_HUGEPAGE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return int(done.stdout)


pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not os.confstr("CS_GNU_LIBC_VERSION"), reason="only glibc has these settings"
)


@pytest.mark.parametrize("call", ["faults_of_rounds", "faults_in_thread"])
def test_a_process_that_keeps_what_it_frees_is_given_few_pages(call: str) -> None:
    assert in_new_process(call, keeps=False) > PAGES / 2
    assert in_new_process(call, keeps=True) < PAGES / 100


@pytest.mark.parametrize("spread", [map_parallel, map_in_order])
def test_workers_that_compute_keep_what_they_free(spread) -> None:
    for process, faults in spread(faults_in_worker, [0, 1, 2, 3], num_workers=2):
        assert process != os.getpid()
        assert faults < PAGES / 100


def test_it_may_be_said_again() -> None:
    assert in_new_process("said_twice", keeps=True) < PAGES / 100


def said_twice() -> int:
    """Say it again, and return what :func:`faults_of_rounds` says."""
    keep_freed_memory()
    return faults_of_rounds()
