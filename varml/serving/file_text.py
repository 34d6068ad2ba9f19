"""A file of any length as a text to search and cut; little of it is in memory at a time.

A memory map would do the same, but all that is searched of it counts as resident memory of the process.
"""

from __future__ import annotations

import os
from typing import BinaryIO

FIRST_BLOCK_BYTES = 1 << 12
LAST_BLOCK_BYTES = 1 << 20


class FileText:
    """The bytes of an open file."""

    def __init__(self, file: BinaryIO) -> None:
        self._number = file.fileno()
        self._num_bytes = os.fstat(self._number).st_size

    def __len__(self) -> int:
        return self._num_bytes

    def __getitem__(self, part: slice) -> bytes:
        start, end, _ = part.indices(self._num_bytes)
        return os.pread(self._number, end - start, start) if start < end else b""

    def find(self, word: bytes, start: int) -> int:
        """Return where the one byte ``word`` comes next from ``start`` on, or -1."""
        block = FIRST_BLOCK_BYTES
        while start < self._num_bytes:
            found = self[start : start + block].find(word)
            if found >= 0:
                return start + found
            # Most strings are short; the long ones are read in few steps.
            start, block = start + block, min(2 * block, LAST_BLOCK_BYTES)
        return -1
