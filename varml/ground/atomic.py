"""Files appear whole or not at all: temporary file in the same folder, fsync, rename."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

TEMPORARY_SUFFIX = ".partial"


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that takes the name ``path`` when the block ends without an exception.

    A reader sees the old content or the new content, never a part. Whatever interrupts the block, ``path``
    stays as it was and the temporary file is removed; after a kill ``varml clean`` removes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed before the rename, below
        dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY_SUFFIX, delete=False
    )
    try:
        with handle:
            yield cast(BinaryIO, handle)
            handle.flush()
            os.fsync(handle.fileno())
        _use_default_mode(handle.name)
        Path(handle.name).replace(path)
    except BaseException:
        Path(handle.name).unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` in one step."""
    with atomic_writer(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` in one step; bytes of file names that are not UTF-8 stay as they are."""
    write_bytes(path, content.encode("utf-8", errors="surrogateescape"))


def write_json(path: Path, content: object) -> None:
    """Write :func:`json_text` of ``content``."""
    write_text(path, json_text(content))


def json_text(content: object) -> str:
    """Return ``content`` as indented JSON with sorted keys, so that equal content gives equal bytes."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _use_default_mode(name: str) -> None:
    # tempfile makes files that only their owner reads; other users of the project need the usual mode.
    umask = os.umask(0)
    os.umask(umask)
    Path(name).chmod(0o666 & ~umask)
