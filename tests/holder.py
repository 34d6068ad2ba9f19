"""Another process that holds a lock of a project, as a stage at work does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from project import Project

HOLD = """
import sys, time
from varml.ground.locks import exclusive
with exclusive(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def stage_at_work(root: Path, stage: str) -> Iterator[psutil.Process]:
    """Yield a process that holds the lock of ``stage`` in the project at ``root``, and end it after the block."""
    process = Project(root).start("python", "-c", HOLD, stage)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.communicate()
