"""Times of jobs that take turns, so that what else the machine does meets all of them alike."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path


def interleaved(
    jobs: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Return the median seconds of each job; the jobs take turns, after one round that does not count.

    CPU seconds of one thread are the wall time of an idle machine, and far steadier on a shared one.
    """
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds + 1):
        for name, job in jobs.items():
            start = clock()
            job()
            taken[name].append(clock() - start)
    return {name: statistics.median(values[1:]) for name, values in taken.items()}


def rounds_arguments(description: str | None) -> argparse.Namespace:
    """Return the arguments of a benchmark of jobs that take turns: ``rounds``, and ``json``, the file for figures."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="times that each takes its turn")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()
