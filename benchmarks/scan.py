"""Scan and ingest of many rows, first and again: wall time, peak memory, and how that grows with the rows.

``python -m benchmarks.scan`` makes symbolic and hard links to the embedded sample, in a fresh clone of the present
commit in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pipeline import ROOT, make_clone
from benchmarks.report import Figure, report

AGAIN_GOAL_SEC = 3.0
# What a row may take: its table entry, and what pandas and Python need around it.
ROW_GOAL_KIB = 8.0


@dataclass(frozen=True)
class Run:
    """What one command took; ``peak_mib`` is the resident memory of the largest of its processes."""

    wall_sec: float
    peak_mib: float


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    few, many = measure(arguments.rows // 10), measure(arguments.rows)
    figures = []
    for name, run in many.items():
        goal = AGAIN_GOAL_SEC if name == "scan again" else None
        more = 1024 * (run.peak_mib - few[name].peak_mib) / (arguments.rows - arguments.rows // 10)
        figures += [
            Figure(f"{name}: wall time", run.wall_sec, "s", goal),
            Figure(f"{name}: peak memory", run.peak_mib, "MiB"),
            Figure(f"{name}: memory for one row more", more, "KiB", ROW_GOAL_KIB),
        ]
    report(f"{arguments.rows} rows", figures, arguments.json)


def measure(num_rows: int) -> dict[str, Run]:
    """Return what scan and ingest take, first and with nothing new."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "videos"
        make_links(source, num_rows)
        clone = make_clone(Path(folder) / "clone", str(source), None)
        return {
            f"{stage}{again}": run([sys.executable, "-m", f"pipelines.{stage}"], clone)
            for stage in ("scan", "ingest")
            for again in ("", " again")
        }


def make_links(source: Path, num_rows: int) -> None:
    """Fill ``source`` with the sample and links to it, until there are ``num_rows`` names."""
    shutil.copytree(ROOT / "sample", source)
    videos = sorted(source.rglob("*.mp4"))
    for number in range(num_rows - len(videos)):
        video = videos[number % len(videos)]
        link = video.with_name(f"{video.stem}_{number}.mp4")
        if number % 2:
            link.symlink_to(video.name)
        else:
            link.hardlink_to(video)


def run(command: list[str], folder: Path) -> Run:
    """Run ``command`` in ``folder``; raises RuntimeError with its output where it fails."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall_sec = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{output.read().decode(errors='replace')}")
    return Run(wall_sec, usage.ru_maxrss / 1024)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000, help="how many files the data source names")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
