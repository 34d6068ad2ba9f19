"""Lets a process keep the memory that it frees, for the next arrays of its own.

glibc maps each large array anew and gives it back when it is freed, so the kernel clears the same pages again for every
layer of a network: a third of the time of a backbone's answer on a CPU, and more than half of a training step of its
last stage. No byte of a result depends on it.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

# Of glibc's malloc.h, with the values that are set.
_M_TRIM_THRESHOLD, _NEVER = -1, -1  # memory at the end of the heap that is free is not given back
_M_TOP_PAD, _TOP_PAD_BYTES = -2, 64 << 20  # what the heap grows by
_M_MMAP_MAX, _NONE = -4, 0  # no array has a mapping of its own
_M_ARENA_MAX, _ONE = -8, 1  # the heap of other threads gives back what it can, and holds no large array


def keep_freed_memory() -> None:
    """Let this process keep what it frees until it ends; it then holds as much as it needed at its peak.

    For processes that are varml's own and compute: one that reads strangers' files is judged by what it holds. It does
    nothing where the C library is not glibc.
    """
    if sys.platform != "linux":
        return
    with suppress(AttributeError):  # musl has no such settings
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
        mallopt(_M_TOP_PAD, _TOP_PAD_BYTES)
        mallopt(_M_MMAP_MAX, _NONE)
        mallopt(_M_ARENA_MAX, _ONE)
