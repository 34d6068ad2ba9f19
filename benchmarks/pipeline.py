"""The main job as a user runs it: wall time of each stage, memory, a second run, one added video.

``python -m benchmarks.pipeline`` measures the embedded sample; ``--source`` and ``--annotations`` measure any folder of
videos beside it. It works on a fresh clone of the present commit in a temporary folder.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.report import Figure, report
from benchmarks.watched import Watched, run_watched

EXTRACTION = ("extract_frames", "extract_flow", "extract_features")
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.no_sample:
            figures += measure("sample", Path(folder), "sample", None, goal_sec=360)
        if arguments.source:
            copy = Path(folder) / "videos"
            shutil.copytree(arguments.source, copy)
            figures += measure(arguments.source.name, Path(folder), str(copy), arguments.annotations, goal_sec=720)
            figures += measure_added_video(Path(folder), copy, arguments.annotations)
    report("dvc repro on a fresh clone", figures, arguments.json)


def measure(name: str, folder: Path, source: str, annotations: str | None, goal_sec: float) -> list[Figure]:
    """Return the figures of a first and a second ``dvc repro``."""
    clone = make_clone(folder / f"clone-{name}", source, annotations)
    first = run_watched(["dvc", "repro"], clone)
    print(first.output[first.output.rfind("Running stage 'register'") :])
    second = run_watched(["dvc", "repro"], clone)
    return [
        *[Figure(f"{name}: {stage}", seconds, "s") for stage, seconds in first.stage_sec.items()],
        Figure(f"{name}: whole run", first.wall_sec, "s", goal_sec),
        Figure(f"{name}: peak memory of all processes", first.peak_gib, "GiB", 4),
        Figure(f"{name}: second run", second.wall_sec, "s", 5),
    ]


def measure_added_video(folder: Path, source: Path, annotations: str | None) -> list[Figure]:
    """Return what extraction costs when one video is added, as a share of the first extraction."""
    video, entry = _take_one_away(source, annotations)
    clone = make_clone(folder / "clone-added", str(source), annotations)
    first = run_watched(["dvc", "repro", EXTRACTION[-1]], clone)
    (source / video).write_bytes(entry)
    if annotations:
        (source / annotations).write_text((source / f"{annotations}.all").read_text())
    added = run_watched(["dvc", "repro", EXTRACTION[-1]], clone)
    share = _extraction_sec(added) / _extraction_sec(first)
    return [
        Figure("first extraction", _extraction_sec(first), "s"),
        Figure("extraction after one video was added", _extraction_sec(added), "s"),
        Figure("the same as a share of the first", 100 * share, "%", 25),
    ]


def make_clone(target: Path, source: str, annotations: str | None) -> Path:
    """Return a fresh clone of the present commit that reads ``source``."""
    from ruamel.yaml import YAML

    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
    yaml, params = YAML(), target / "params.yaml"
    tree = yaml.load(params)
    tree["data"].update(source=source, annotations=annotations)
    yaml.dump(tree, params)
    return target


def _take_one_away(source: Path, annotations: str | None) -> tuple[str, bytes]:
    if annotations is None:
        video = str(min(path for path in source.rglob("*") if path.is_file()).relative_to(source))
    else:
        lines = (source / annotations).read_text()
        (source / f"{annotations}.all").write_text(lines)
        rows = lines.splitlines()
        video = next(csv.DictReader(rows))["path"]
        (source / annotations).write_text("\n".join([rows[0], *rows[2:]]) + "\n")
    content = (source / video).read_bytes()
    (source / video).unlink()
    return video, content


def _extraction_sec(watched: Watched) -> float:
    return sum(watched.stage_sec.get(stage, 0.0) for stage in EXTRACTION)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="folder of labelled videos")
    parser.add_argument("--annotations", help="CSV in that folder; default: one folder per class")
    parser.add_argument("--no-sample", action="store_true", help="leave the embedded sample out")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
