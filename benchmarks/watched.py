"""Runs a command and watches its whole process tree: wall time, peak memory, the time of each DVC stage."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

POLL_SEC = 0.2
STAGE = re.compile(r"Running stage '(\w+)'")


@dataclass
class Watched:
    """What a finished command took."""

    wall_sec: float = 0.0
    peak_gib: float = 0.0
    stage_sec: dict[str, float] = field(default_factory=dict)
    output: str = ""


def run_watched(command: list[str], folder: Path) -> Watched:
    """Run ``command`` in ``folder``; raises RuntimeError with the end of its output where it fails."""
    watched, start = Watched(), time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watcher = threading.Thread(target=_watch_memory, args=(process.pid, watched), daemon=True)
    watcher.start()
    lines, stage, since = [], None, start
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if match := STAGE.search(line):
            now = time.perf_counter()
            if stage:
                watched.stage_sec[stage] = now - since
            stage, since = match.group(1), now
    if process.wait() != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{''.join(lines[-30:])}")
    end = time.perf_counter()
    if stage:
        watched.stage_sec[stage] = end - since
    watched.wall_sec, watched.output = end - start, "".join(lines)
    watcher.join()
    return watched


def _watch_memory(pid: int, watched: Watched) -> None:
    while psutil.pid_exists(pid):
        try:
            root = psutil.Process(pid)
            if root.status() == psutil.STATUS_ZOMBIE:
                return
            total = sum(_private_bytes(process) for process in [root, *root.children(recursive=True)])
        except psutil.Error:
            return
        watched.peak_gib = max(watched.peak_gib, total / 2**30)
        time.sleep(POLL_SEC)


def _private_bytes(process: psutil.Process) -> int:
    try:
        # Pages that processes share (libraries, forked memory) are counted once each, in proportion.
        return int(process.memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return 0
