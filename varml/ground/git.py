"""What git says of a folder."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

TIMEOUT_SEC = 10.0


def ask_git(
    root: Path, *arguments: str, environment: Mapping[str, str] | None = None, timeout_sec: float = TIMEOUT_SEC
) -> bytes | None:
    """Return what ``git ARGUMENTS`` prints in the folder ``root``, or None where it fails, is missing or takes long."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, timeout=timeout_sec, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
