"""Where requests lie while they are worked on: a private folder on disk, bounded, that is removed at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO

from varml.serving.refusals import busy

RETRY_SEC = 5


class Spool:
    """A folder that its owner alone can enter. No name in it comes from a request.

    ``max_bytes`` is how much all requests together may lay into it.
    """

    def __init__(self, max_bytes: int) -> None:
        self._left, self._lock = max_bytes, Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="varml-serve-", ignore_cleanup_errors=True)

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    @contextmanager
    def room(self) -> Iterator[Room]:
        """Give a room of its own to a request; all that lies in it goes when the request does."""
        room = Room(self, Path(tempfile.mkdtemp(dir=self._folder.name)))
        try:
            yield room
        finally:
            room.close()

    def take(self, num_bytes: int) -> None:
        """Count ``num_bytes`` more; raises Refusal (503) where they are too many for now."""
        with self._lock:
            if num_bytes > self._left:
                raise busy("the service holds as many bodies as it may; ask again later", RETRY_SEC)
            self._left -= num_bytes


class Room:
    """The files of one request."""

    def __init__(self, spool: Spool, folder: Path) -> None:
        self._spool, self._folder, self._lock = spool, folder, Lock()
        self._num_files = self._num_bytes = 0
        self._open = True

    def new_file(self) -> SpooledFile:
        """Return a new, empty file, open for writing."""
        self._num_files += 1
        return SpooledFile(self, self._folder / f"{self._num_files}.video")

    def take(self, num_bytes: int) -> None:
        """Count bytes before they are written; raises as :meth:`Spool.take` does."""
        with self._lock:
            # A thread may still write for a request that has ended.
            if not self._open:
                raise busy("the request has ended", RETRY_SEC)
            self._spool.take(num_bytes)
            self._num_bytes += num_bytes

    def close(self) -> None:
        """Remove all files."""
        with self._lock:
            self._open = False
            shutil.rmtree(self._folder, ignore_errors=True)
            self._spool.take(-self._num_bytes)


class SpooledFile:
    """One file, written piece by piece; raises Refusal (503) where there is no room for it, also on the disk."""

    def __init__(self, room: Room, path: Path) -> None:
        self.path, self._room = path, room
        with _disk_errors():
            self._file: BinaryIO = path.open("xb")

    def write(self, content: bytes) -> None:
        """Append ``content``."""
        self._room.take(len(content))
        with _disk_errors():
            self._file.write(content)

    def close(self) -> None:
        """Write no more."""
        with _disk_errors():
            self._file.close()


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise busy("the service has no room for the body; ask again later", RETRY_SEC) from error
