"""Decoding: 16 sparse frames against other readers, probing against plain decoding, two workers against one.

``python -m benchmarks.decode`` measures clips of the embedded sample and two generated 1080p videos; ``--source`` adds
the videos below another folder. All readers run with one thread, interleaved, on the same files; a reader whose frames
differ from those of a plain decode is wrong and does not count as the fastest.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import av
import cv2
import decord
import numpy as np

from benchmarks.interleaved import interleaved
from benchmarks.report import Figure, report
from varml.config import load_params
from varml.config.params import Probe
from varml.ground.engine import map_isolated
from varml.video.container import decode
from varml.video.probe import clip_of, probe_video
from varml.video.reader import Frames, Source, open_video
from varml.video.sampling import sample_indices

NUM_SEGMENTS, FRAMES_PER_SEGMENT, INTERVAL_SEC = 8, 2, 0.1
MAX_DIFFERENCE = 2.0  # mean over a frame; colour conversions round otherwise, other frames differ by more
ROUNDS = 5
EXTENSIONS = (".mp4", ".avi", ".mov", ".mkv", ".webm")


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    limits = load_params().ingest.probe
    with tempfile.TemporaryDirectory() as folder:
        sets = {"sample": sorted(Path("sample").rglob("*.mp4"))[::8], "1080p": make_1080p(Path(folder))}
        if arguments.source:
            videos = [path for path in sorted(arguments.source.rglob("*")) if path.suffix in EXTENSIONS]
            sets[arguments.source.name] = videos[:: max(len(videos) // 16, 1)]
        figures = [figure for name, videos in sets.items() for figure in measure(name, videos, limits)]
        figures += measure_workers(sets["1080p"])
    report("decoding, one thread", figures, arguments.json)


def measure(name: str, videos: list[Path], limits: Probe) -> list[Figure]:
    """Return the figures of one set of videos."""
    probed = {path: probe_video(path, limits) for path in videos}
    sources = [clip_of(path, info).source for path, info in probed.items()]
    indices = {source.path: sparse_indices(source) for source in sources}
    readers = {"varml": read_varml, "decord": read_decord, "cv2": read_cv2, "PyAV sequential": read_pyav}
    seconds = interleaved(
        {key: partial(_read_all, function, sources, indices) for key, function in readers.items()}, ROUNDS
    )
    wrong = {key: count_wrong(function, sources, indices) for key, function in readers.items()}
    fastest = min(seconds[key] for key in readers if key != "varml" and not wrong[key])
    probing = interleaved(
        {"probe": lambda: [probe_video(p, limits) for p in videos], "decode": lambda: [_plain(p) for p in videos]},
        ROUNDS,
    )
    return [
        *[Figure(f"{name}: {key}, 16 frames", 1e3 * seconds[key] / len(videos), "ms") for key in readers],
        *[
            Figure(f"{name}: {key}, files with a wrong frame", wrong[key], "", 0 if key == "varml" else None)
            for key in readers
        ],
        Figure(f"{name}: varml / fastest correct reader", seconds["varml"] / fastest, "times", 1.2),
        Figure(f"{name}: probing / one plain decode", probing["probe"] / probing["decode"], "times", 2),
    ]


def measure_workers(videos: list[Path], repeats: int = 16) -> list[Figure]:
    """Return how much two workers do in the time of one, on the 1080p videos."""

    def run(num_workers: int) -> None:
        work = map_isolated(_plain, videos * repeats, num_workers=num_workers, timeout_sec=300, memory_mb=4096)
        outcomes = list(work)
        assert all(outcome.reason is None for outcome in outcomes)

    # The work is done by other processes, so it is the wall that tells.
    seconds = interleaved({"one": lambda: run(1), "two": lambda: run(2)}, 5, time.perf_counter)
    return [Figure("two workers / one", seconds["one"] / seconds["two"], "times", 1.8, at_least=True)]


def sparse_indices(source: Source) -> list[int]:
    """Return the frames that extraction takes of a video, each once."""
    times = open_video(source).timestamps_sec
    indices = sample_indices(times, NUM_SEGMENTS, FRAMES_PER_SEGMENT, INTERVAL_SEC)
    return [int(index) for index in np.unique(indices)]


Read = Callable[[Source, Sequence[int]], Frames]


def read_varml(source: Source, indices: Sequence[int]) -> Frames:
    """Read as varml does, by the reader that probing chose."""
    return open_video(source).read(indices)


def read_decord(source: Source, indices: Sequence[int]) -> Frames:
    """Read by decord alone."""
    return np.asarray(decord.VideoReader(str(source.path), num_threads=1).get_batch(list(indices)).asnumpy())


def read_cv2(source: Source, indices: Sequence[int]) -> Frames:
    """Read by OpenCV, in order; its seeking is known to miss."""
    capture = cv2.VideoCapture(str(source.path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    frames, wanted = [], set(indices)
    for index in range(max(wanted) + 1):
        capture.grab()
        if index in wanted:
            found, image = capture.retrieve()
            if found:
                frames.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    capture.release()
    return np.stack(frames) if frames else np.empty((0, 0, 0, 3), np.uint8)


def read_pyav(source: Source, indices: Sequence[int]) -> Frames:
    """Read by PyAV from the first frame on, as its documentation does."""
    frames, wanted, last = [], set(indices), max(indices)
    with av.open(str(source.path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for index, frame in enumerate(container.decode(stream)):
            if index in wanted:
                frames.append(frame.to_ndarray(format="rgb24"))
            if index == last:
                break
    return np.stack(frames)


def count_wrong(read: Read, sources: list[Source], indices: dict[Path, list[int]]) -> int:
    """Return for how many videos ``read`` gives another frame than a plain decode does, or fails."""
    wrong = 0
    for source in sources:
        right = read_pyav(source, indices[source.path])
        try:
            frames = read(source, indices[source.path])
        except Exception as error:  # whatever a reader does, it has not read the file
            print(f"{source.path.name}: {read.__name__}: {error}")
            wrong += 1
            continue
        same = frames.shape == right.shape
        wrong += not same or bool((np.abs(frames.astype(int) - right).mean(axis=(1, 2, 3)) > MAX_DIFFERENCE).any())
    return wrong


def make_1080p(folder: Path) -> list[Path]:
    """Write two videos of 8 s at 30 frames a second, one with long and one with short groups of pictures."""
    return [_write_1080p(folder / f"gop{gop}.mp4", gop) for gop in (250, 30)]


def _write_1080p(path: Path, gop: int) -> Path:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (60, 100, 3), dtype=np.uint8)
    canvas = cv2.resize(coarse, (2400, 1440), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30, options={"g": str(gop), "preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for index in range(240):
            image = np.ascontiguousarray(canvas[index : index + 1080, 2 * index : 2 * index + 1920])
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def _read_all(read: Read, sources: list[Source], indices: dict[Path, list[int]]) -> None:
    for source in sources:
        try:
            read(source, indices[source.path])
        except Exception:  # it is counted as wrong elsewhere
            continue


def _plain(path: Path) -> int:
    return sum(1 for _ in decode(path))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, help="folder of videos to measure beside the sample")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
