"""What a test may ask about processes that can end at any moment."""

from __future__ import annotations

import psutil


def command_of(process: psutil.Process) -> str:
    """Return the command line; empty where the process ended, even if nobody has asked for its exit code yet."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie is one, too
        return ""
