"""Copies of videos: how many of 50 planted ones are found, how many others are taken for copies, and what it costs.

``python -m benchmarks.duplicates --source DIR`` plants copies of the videos under a folder, of each kind of
``benchmarks/planted.py``, and looks for copies among both. Then made-up fingerprints are matched, all of one camera,
in which nothing but the motion differs, with a hundred copies among them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from benchmarks.interleaved import interleaved
from benchmarks.planted import KINDS, plant
from benchmarks.report import Figure, report
from varml.config import load_params
from varml.data.duplicates import Pair, find_near
from varml.errors import VideoError
from varml.ground.progress import progress
from varml.video.container import decode
from varml.video.fingerprint import MIRROR, Fingerprinter, Signature, to_text
from varml.video.gate import check_is_video_file
from varml.video.probe import VideoInfo, probe_video

LIMITS = load_params().ingest.probe
NUM_PLANTED = 50
NUM_SYNTHETIC_COPIES = 100
NUM_ROUNDS = 3
# Other videos are too short or too small to plant every kind of copy of them.
LEAST_FRAMES = 50
LEAST_PX = 64
SYNTHETIC_SAMPLES = (20, 60)


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    figures = []
    if arguments.source:
        with tempfile.TemporaryDirectory() as folder:
            figures += measure_planted(_videos(arguments.source), Path(folder))
        figures += measure_fingerprints(_videos(arguments.source))
    for count in arguments.synthetic:
        figures += measure_matching(count)
    report("copies of videos", figures, arguments.json)


def measure_planted(sources: list[Path], folder: Path) -> list[Figure]:
    """Return how many planted copies are missed and how many other pairs are found, which are printed."""
    planted: dict[str, tuple[str, str]] = {}
    rng = np.random.default_rng(0)
    for number, kind in progress([(n, list(KINDS)[n % len(KINDS)]) for n in range(NUM_PLANTED)], NUM_PLANTED, "plant"):
        source = sources[number * len(sources) // NUM_PLANTED]
        target = folder / f"{number}{KINDS[kind].suffix}"
        plant(source, target, KINDS[kind], rng)
        planted[str(target)] = (str(source), kind)
    infos = {str(path): probe_video(path, LIMITS) for path in [*sources, *map(Path, planted)]}
    start = time.perf_counter()
    pairs = find_near(infos)
    seconds = time.perf_counter() - start
    return [*_found(pairs, planted), Figure(f"matching these {len(infos)}", seconds, "s")]


def _found(pairs: list[Pair], planted: dict[str, tuple[str, str]]) -> list[Figure]:
    origin = {path: source for path, (source, _) in planted.items()}
    both = [(pair.first, pair.second) for pair in pairs]
    found = {path for paths in both for path in paths if origin.get(path) in paths}
    false = [p for p in pairs if origin.get(p.first, p.first) != origin.get(p.second, p.second)]
    for pair in false:
        print(f"not planted: {pair.first} and {pair.second}")
    totals = Counter(kind for _, kind in planted.values())
    missed = Counter(kind for path, (_, kind) in planted.items() if path not in found)
    for path, (source, kind) in planted.items():
        if path not in found:
            print(f"missed: {source}, {kind}")
    return [
        *[Figure(f"missed of {totals[kind]}: {kind}", missed[kind], "copies") for kind in totals],
        Figure(f"missed of {len(planted)} planted", missed.total(), "copies", 2),
        Figure("pairs that were not planted", len(false), "pairs", 2),
    ]


def measure_fingerprints(sources: list[Path]) -> list[Figure]:
    """Return the size of a fingerprint, and its time as a share of decoding once and of probing."""
    texts = [_fingerprint(path) for path in sources]
    seconds = interleaved(
        {
            "decode": lambda: [sum(1 for _ in decode(path)) for path in sources],
            "fingerprint": lambda: [_fingerprint(path) for path in sources],
            "probe": lambda: [probe_video(path, LIMITS) for path in sources],
        },
        NUM_ROUNDS,
    )
    extra_sec = seconds["fingerprint"] - seconds["decode"]
    return [
        Figure("size of a fingerprint", sum(map(len, texts)) / len(texts), "characters"),
        Figure("fingerprint of one video", 1000 * extra_sec / len(sources), "ms"),
        Figure("the same as a share of decoding once", 100 * extra_sec / seconds["decode"], "%"),
        Figure("the same as a share of probing", 100 * extra_sec / seconds["probe"], "%"),
    ]


def _fingerprint(path: Path) -> str:
    fingerprinter = Fingerprinter()
    for frame in decode(path):
        fingerprinter.add(frame, frame.time)
    return to_text(fingerprinter.result())


def measure_matching(count: int) -> list[Figure]:
    """Return how long it takes to find the copies among so many made-up fingerprints."""
    rng = np.random.default_rng(0)
    signatures = list(_one_camera(count, rng))
    sources = rng.choice(count, NUM_SYNTHETIC_COPIES, replace=False)
    copies = [_copy(signatures[source], rng, mirrored=bool(n % 2)) for n, source in enumerate(sources)]
    texts = [to_text(signature) for signature in [*signatures, *copies]]
    infos = {f"{n:07}": _info(text) for n, text in enumerate(texts)}
    expected = {Pair(f"{source:07}", f"{count + n:07}", "near") for n, source in enumerate(sources)}
    start = time.perf_counter()
    found = set(find_near(infos))
    seconds = time.perf_counter() - start
    return [
        Figure(f"{count:,} synthetic: matching", seconds, "s", count / 500),
        Figure(f"{count:,} synthetic: missed of {len(expected)} copies", len(expected - found), "copies", 5),
        Figure(f"{count:,} synthetic: false pairs", len(found - expected), "pairs", 2),
    ]


def _info(fingerprint: str) -> VideoInfo:
    return VideoInfo(100, 25.0, 4.0, 320, 240, "pyav", True, "h264", "yuv420p", 0, False, 1.0, 1, 0, fingerprint)


def _one_camera(count: int, rng: np.random.Generator) -> Iterator[Signature]:
    """Yield signatures with one background and smooth random motion, of the strength that real videos have."""
    background = rng.normal(0, 400, len(MIRROR))
    for _ in range(count):
        noise = rng.normal(0, 1, (int(rng.integers(*SYNTHETIC_SAMPLES)), len(MIRROR)))
        yield (background + 180 * gaussian_filter1d(noise, 2, axis=0)).astype(np.float32)


def _copy(signature: Signature, rng: np.random.Generator, *, mirrored: bool) -> Signature:
    """Return a part of a signature, sampled in between, with the noise of another coding."""
    length = max(round(len(signature) * rng.uniform(0.5, 1)), 15)
    start, part = int(rng.integers(0, len(signature) - length + 1)), rng.random()
    rows = signature[start : start + length]
    between = (1 - part) * rows[:-1] + part * rows[1:] + rng.normal(0, 8, (length - 1, len(MIRROR)))
    return (between * MIRROR if mirrored else between).astype(np.float32)


def _videos(folder: Path) -> list[Path]:
    videos = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            check_is_video_file(path)
            frames = [(frame.width, frame.height) for frame in decode(path)]
        except VideoError:
            continue
        if len(frames) >= LEAST_FRAMES and min(frames[0]) >= LEAST_PX:
            videos.append(path)
    return videos


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="folder of videos to plant copies of")
    parser.add_argument(
        "--synthetic", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="how many made-up fingerprints"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
