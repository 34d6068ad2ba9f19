"""Projects that a benchmark searches in, and what is seen of a search from outside: each trial's line as it comes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.pipeline import make_clone
from benchmarks.watched import Watched, run_watched
from varml.config.tree import set_path

ROOT = Path(__file__).resolve().parents[1]
TRIAL = re.compile(r"trial (\d+)/\d+: (\S+)")


@dataclass
class Searched:
    """What a search took: when each trial ended (seconds of the wall clock) and as what, and MLflow's calls."""

    wall_sec: float = 0.0
    trials: list[tuple[float, str]] = field(default_factory=list)
    calls: list[tuple[float, float]] = field(default_factory=list)

    def trial_sec(self) -> list[float]:
        """Return the seconds from line to line of all trials that were not pruned, but the first, which loads."""
        ends = [end for end, _ in self.trials]
        spans = zip(ends, ends[1:], self.trials[1:], strict=False)
        return [end - before for before, end, (_, outcome) in spans if outcome[0].isdigit()]

    def mlflow_share(self) -> float:
        """Return the share of the time between the first trial's line and the last one's that MLflow took."""
        first, last = self.trials[0][0], self.trials[-1][0]
        return sum(taken for end, taken in self.calls if first < end <= last) / (last - first)


def extracted_project(
    folder: Path, source: str, annotations: str | None, values: Mapping[str, Any]
) -> tuple[Path, Watched]:
    """Return a clone of the present commit in ``folder`` in which all is extracted, and what that took this time.

    ``values`` are values of params.yaml by their paths.
    """
    if not folder.exists():
        make_clone(folder, source, annotations)
        set_values(folder / "params.yaml", values)
    return folder, run_watched(["dvc", "repro", "adapt_features"], folder)


def study_folder(project: Path, folder: Path, values: Mapping[str, Any]) -> Path:
    """Return a folder with the project's features and params of its own, where another study is kept."""
    if not folder.exists():
        folder.mkdir(parents=True)
        for name in ("dvc.yaml", "params.yaml"):
            (folder / name).write_bytes((project / name).read_bytes())
        (folder / "data").symlink_to(project / "data")
        for name in ("search", "metrics"):
            (folder / name).mkdir()
    set_values(folder / "params.yaml", values)
    return folder


def set_values(file: Path, values: Mapping[str, Any]) -> None:
    """Change values of a params.yaml by their paths."""
    yaml = YAML()
    tree = yaml.load(file)
    for path, value in values.items():
        set_path(tree, path, value)
    yaml.dump(tree, file)


def run_search(
    folder: Path, *options: str, threads: int | None = None, on_trial: Callable[[int], None] = lambda pid: None
) -> Searched:
    """Search in ``folder`` in a process of its own; ``on_trial`` gets its number at each trial's line.

    What a killed search had done is taken up again. Raises RuntimeError with the end of its output where it fails.
    """
    calls, searched, start, lines = folder / "calls.json", Searched(), time.perf_counter(), []
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_"))}
    environment |= {"DVC_ROOT": str(folder), "PYTHONPATH": str(ROOT)}
    environment |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.search_stage", str(calls), *options],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if match := TRIAL.match(line):
                searched.trials.append((time.time(), match.group(2)))
                on_trial(process.pid)
    if process.returncode != 0:
        raise RuntimeError(f"the search in {folder} failed:\n{''.join(lines[-30:])}")
    searched.wall_sec = time.perf_counter() - start
    searched.calls = [(end, taken) for end, taken in json.loads(calls.read_text())]
    return searched
