"""How long something takes on this device: measured once, and remembered in ``.varml/latency.json``.

A search that is run again finds the figures there, so that it gives the same outs. Losing the file costs time, and
figures that differ a little.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from varml.ground.atomic import write_json
from varml.ground.content_key import content_key
from varml.ground.paths import state_folder
from varml.ground.threads import one_thread

NAME = "latency.json"
# Memory is given out and kernels are chosen in the first runs.
NUM_WARM_UPS, NUM_RUNS = 2, 7
NUM_DIGITS = 3  # of milliseconds, after the point

Run = Callable[[], object]
_CPU_INFO = Path("/proc/cpuinfo")


def remembered_ms(make: Callable[[], Run], **of: Any) -> float:
    """Return the milliseconds that what ``make`` returns takes of one core of this device, the median of several runs.

    They are those in which the core is at it: on a machine that has other work to do, time on the clock of several
    threads that wait for each other was a hundred times too long, and told the slower of two networks from the faster
    no more. What is run must do all of its work in its own thread.
    ``of`` is what it depends on, anything JSON writes: what was measured of it before is not measured again, whoever
    did it in this project. One process measures at a time.
    """
    folder, where = state_folder(), device()
    key = content_key(of=of, on=where)
    with FileLock(folder / f"{NAME}.lock"):
        known = _read(folder / NAME)
        if key not in known:
            known[key] = {"ms": _measure(make), "of": of, "on": where}
            write_json(folder / NAME, known)
    return float(known[key]["ms"])


def device() -> dict[str, Any]:
    """Return what a latency depends on beside the network: the processor, the one thread, and versions."""
    versions = {name: version(name) for name in ("torch", "timm")}
    return {"processor": _processor(), "threads": 1, **versions}


def _measure(make: Callable[[], Run]) -> float:
    # What is drawn here must not change what a training draws after it.
    with one_thread(), torch.random.fork_rng(devices=[]):
        run = make()
        taken = [_milliseconds(run) for _ in range(NUM_WARM_UPS + NUM_RUNS)]
    return round(statistics.median(taken[NUM_WARM_UPS:]), NUM_DIGITS)


def _milliseconds(run: Run) -> float:
    start = time.thread_time()
    run()
    return (time.thread_time() - start) * 1000


def _read(file: Path) -> dict[str, Any]:
    try:
        known = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


@lru_cache(maxsize=1)
def _processor() -> str:
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
