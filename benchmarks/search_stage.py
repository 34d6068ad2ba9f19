"""Runs the stage `search` of the current folder's project for :mod:`benchmarks.search`, and times MLflow's part.

``python -m benchmarks.search_stage CALLS.json [--all-drawn]`` writes when each call of MLflow's client ended, in
seconds of the wall clock, and how long it took. With ``--all-drawn`` no first wave is run: the sampler draws all.
"""

from __future__ import annotations

import functools
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pipelines.search import main as search
from varml.config import load_params
from varml.search import first_wave
from varml.tracking.store import import_mlflow

# What a search asks of the client.
METHODS = (
    "create_run", "get_run", "log_artifact", "log_artifacts", "log_batch", "log_inputs", "log_metric", "log_param",
    "search_runs", "set_tag", "set_terminated", "update_run",
)  # fmt: skip


def main() -> None:
    """Search."""
    target, *options = sys.argv[1:]
    if "--all-drawn" in options:
        first_wave.MAX_TRIALS = 0
    calls: list[tuple[float, float]] = []
    _time_calls(import_mlflow().MlflowClient, calls)
    try:
        search(load_params())
    finally:
        Path(target).write_text(json.dumps(calls))


def _time_calls(client: Any, calls: list[tuple[float, float]]) -> None:
    depth = threading.local()  # a search writes from a thread of its own, too
    for name in METHODS:
        setattr(client, name, _timed(getattr(client, name), calls, depth))


def _timed(method: Any, calls: list[tuple[float, float]], depth: threading.local) -> Any:
    @functools.wraps(method)
    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.time()
        depth.number = getattr(depth, "number", 0) + 1
        try:
            return method(*args, **kwargs)
        finally:
            depth.number -= 1
            if not depth.number:  # one that another one calls is within its time
                calls.append((time.time(), time.time() - start))

    return timed


if __name__ == "__main__":
    main()
