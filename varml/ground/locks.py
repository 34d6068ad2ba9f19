"""One process a stage in one project: a lock file in ``.varml/locks`` and, beside it, who holds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from varml.errors import StoreError
from varml.ground.paths import state_folder


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold the lock of the stage ``name``; it is let go when the ``with`` block or the process ends.

    Raises StoreError where another process holds it: killing ``dvc`` alone leaves its child running.
    """
    folder = state_folder() / "locks"
    folder.mkdir(exist_ok=True)
    lock, owner = FileLock(folder / f"{name}.lock", timeout=0), folder / f"{name}.pid"
    try:
        lock.acquire()
    except Timeout as error:
        pid = owner.read_text() if owner.is_file() else "unknown"
        raise StoreError(f"{name} is at work already in this project (process {pid}); wait for it or end it") from error
    try:
        owner.write_text(str(os.getpid()))
        yield
    finally:
        lock.release()
