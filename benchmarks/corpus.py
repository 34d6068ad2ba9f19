"""The corpus of strange videos in one project: crashes, wrong frames, the slowest probe, the share that is accepted.

``python -m benchmarks.corpus`` makes the files (the program ffmpeg is needed), runs `dvc repro extract_frames` over
them, and then probes each file once more for its time.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from benchmarks.report import Figure, report
from benchmarks.watched import run_watched
from tests.corpus.check import accepted_of_decodable, read_outcomes, untrue_reasons, wrong_decisions, wrong_frames
from tests.corpus.make import SETTINGS, make_corpus
from tests.corpus.plain import decode_all_plainly
from tests.project import make_project
from varml.config import load_params
from varml.config.params import Probe
from varml.errors import VideoError
from varml.ground.engine import map_isolated
from varml.video.probe import probe_limit_sec, probe_video

GOAL_PROBE_SEC = 10
GOAL_SHARE = 0.85
NUM_SLOWEST = 5
CRASH = re.compile(r"its process ended|\w+(Error|Exception)\b")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder))
    report("dvc repro extract_frames on the corpus", figures, arguments.json)


def measure(folder: Path) -> list[Figure]:
    """Return the figures of one run over a corpus made in ``folder``; print each file that is not as it should be."""
    source, start = folder / "videos", time.perf_counter()
    records = make_corpus(source, folder / "work")
    made_sec = time.perf_counter() - start
    project = make_project(folder / "project", str(source))
    project.set(**SETTINGS)
    # A run that ends early is no figure: it raises with its output.
    watched = run_watched(["dvc", "repro", "extract_frames"], project.root)
    params, plain = load_params(project.root / "params.yaml"), decode_all_plainly(source, records)
    outcomes = read_outcomes(project.root)
    wrong = list(wrong_frames(records, outcomes, plain, params))
    against = [*wrong_decisions(records, outcomes), *untrue_reasons(records, outcomes)]
    good, accepted = accepted_of_decodable(records, outcomes, plain)
    times_sec = probe_times(source, records, params.ingest.probe)
    _print_all([*map(str, [*against, *wrong]), *_slowest(times_sec)])
    return [
        Figure("files", len(records), ""),
        Figure("making them", made_sec, "s"),
        *[Figure(stage, seconds, "s") for stage, seconds in watched.stage_sec.items()],
        Figure("peak memory of all processes", watched.peak_gib, "GiB"),
        Figure("files that crash a process", sum(bool(CRASH.match(o.reason or "")) for o in outcomes.values()), "", 0),
        Figure("files with wrong frames", len(wrong), "", 0),
        Figure("files decided wrongly or for no true reason", len({finding.path for finding in against}), "", 0),
        Figure("slowest probe", max(times_sec.values()), "s", GOAL_PROBE_SEC),
        Figure("accepted of what plain PyAV decodes", len(accepted) / len(good), "", GOAL_SHARE, at_least=True),
    ]


def timed_probe(path: Path, limits: Probe) -> float:
    """Return how many seconds probing takes, whether it accepts or refuses."""
    start = time.perf_counter()
    with suppress(VideoError):
        probe_video(path, limits)
    return time.perf_counter() - start


def probe_times(source: Path, records: Iterable[str], probe: Probe) -> dict[str, float]:
    """Return the seconds that probing each file takes in a killable process; a killed one has taken its limit."""

    def limit_sec(path: Path) -> float:
        return probe_limit_sec(probe, path.stat().st_size)

    named = {source / path: path for path in records}
    # One at a time: what is measured is a file, not how two share a core.
    outcomes = map_isolated(
        partial(timed_probe, limits=probe), list(named), num_workers=1, timeout_sec=limit_sec, memory_mb=probe.memory_mb
    )
    times = {}
    for outcome in outcomes:
        timed_out = "limit of" in (outcome.reason or "")
        times[named[outcome.item]] = limit_sec(outcome.item) if timed_out else outcome.result or 0.0
    return times


def _slowest(times_sec: dict[str, float]) -> list[str]:
    slowest = sorted(times_sec, key=lambda path: -times_sec[path])[:NUM_SLOWEST]
    return [f"{path!r}: probed in {times_sec[path]:.1f} s" for path in slowest]


def _print_all(lines: Iterable[str]) -> None:
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
