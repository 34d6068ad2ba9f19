"""What runs inside a worker process: it takes its limits on, then answers one task after another.

A message is the number of its bytes (eight, big-endian) and a pickle: an item comes in, the pair of its result and
its reason goes out, one of them None. The first answer goes out without an item, once the worker is ready.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, cast

from varml.errors import VarmlError

HEADER_BYTES = 8

# The hard stop holds between two looks of the parent at the resident memory, so it is far above the limit.
_HARD_STOP_FACTOR = 4
_THREADS_PER_CORE = 8
_USUAL_STACK_BYTES = 8 << 20
_PR_SET_PDEATHSIG = 1


def serve(connection: socket.socket, function: Callable[[Any], Any], memory_mb: int, parent: int) -> None:
    """Answer the items that come through ``connection`` until the process ``parent`` closes it or ends."""
    end_with_parent(parent)
    # Ctrl-C reaches the whole process group; the parent alone answers it and ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_process(memory_mb)
    stream = cast(BinaryIO, connection.makefile("rwb"))
    _send(stream, pickle.dumps((None, None)))
    while header := stream.read(HEADER_BYTES):
        content = stream.read(int.from_bytes(header, "big"))
        _send(stream, _answer(function, content, memory_mb))


def end_with_parent(parent: int) -> None:
    """Let this process be killed when the process ``parent`` ends, which must have started it; Linux alone does it."""
    # What a killed parent closes is never seen by a task that hangs.
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)


def limit_process(memory_mb: int) -> None:
    """Bound the private memory of this process well above ``memory_mb``, and let it leave no core file.

    Private memory is counted, not address space: glibc reserves 64 MiB of address space for each thread that
    allocates, whatever it uses, and there is a thread for each core.
    """
    try:
        import resource
    except ImportError:  # a system without such limits
        return
    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    stack = _USUAL_STACK_BYTES if stack == resource.RLIM_INFINITY else stack
    stacks = stack * _THREADS_PER_CORE * (os.cpu_count() or 1)
    _lower("RLIMIT_DATA", _HARD_STOP_FACTOR * (memory_mb << 20) + stacks)
    _lower("RLIMIT_CORE", 0)


def memory_reason(memory_mb: int) -> str:
    """Return what is said of a task that passes the limit."""
    return f"took more memory than its limit of {memory_mb} MB"


def error_reason(error: BaseException) -> str:
    """Return what is said of a task that raises: its own words where varml raises, else the kind of error too."""
    return str(error) if isinstance(error, VarmlError) else f"{type(error).__name__}: {error}"


def _lower(name: str, value: int) -> None:
    import resource

    # A system lacks some limits, and none may be raised above what it is already.
    with suppress(AttributeError, ValueError, OSError):
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _answer(function: Callable[[Any], Any], content: bytes, memory_mb: int) -> bytes:
    # Errors travel as text: some exceptions can be pickled and not unpickled.
    try:
        return pickle.dumps((function(pickle.loads(content)), None))
    except MemoryError:
        reason = memory_reason(memory_mb)
    except BaseException as error:
        reason = error_reason(error)
    return pickle.dumps((None, reason))


def _send(stream: BinaryIO, content: bytes) -> None:
    stream.write(len(content).to_bytes(HEADER_BYTES, "big"))
    stream.write(content)
    stream.flush()
