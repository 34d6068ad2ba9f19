"""What every stage has around its one library call: a lock, typed params, and errors without a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from filelock import FileLock, Timeout

from varml.config.load import load_params
from varml.config.params import Params
from varml.errors import StoreError, VarmlError
from varml.ground.paths import state_folder

INTERRUPTED_STATUS = 130


def run_stage(name: str, stage: Callable[[Params], None]) -> NoReturn:
    """Run one stage of the project in the current folder on its params, and exit with its status.

    A second run of the same stage in the same project is refused: killing ``dvc`` alone leaves its child running.
    """
    run_command(name, lambda: stage(load_params()))


def run_command(name: str, command: Callable[[], None]) -> NoReturn:
    """Run ``command`` under the lock ``name`` and exit with its status."""
    try:
        with _exclusive(name):
            command()
    except VarmlError as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        print(f"{name}: interrupted; `dvc repro` goes on from here", file=sys.stderr)
        sys.exit(INTERRUPTED_STATUS)
    sys.exit(0)


def _exclusive(name: str) -> FileLock:
    folder = state_folder() / "locks"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f"{name}.lock", timeout=0)
    owner = folder / f"{name}.pid"
    try:
        lock.acquire()
    except Timeout as error:
        pid = owner.read_text() if owner.is_file() else "unknown"
        raise StoreError(
            f"this stage is at work already in this project (process {pid}); wait for it or end it"
        ) from error
    owner.write_text(str(os.getpid()))
    return lock
