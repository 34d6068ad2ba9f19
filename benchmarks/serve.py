"""The service: what it adds to the work itself, and what it withstands.

``python -m benchmarks.serve --model DIR --videos DIR`` starts `varml serve` in a process of its own and measures

- one client: each video is answered by the service and, in turn, by decoding in a warm process, flow and forward in
  this one, so that what else the machine does meets both alike;
- many clients for a while, from a process of its own, one upload in twenty hostile: wrong answers, failures, memory;
- bodies of garbage up to 1 GB, streamed: statuses, memory.

Memory is resident, that of the service and its workers together.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import psutil

from benchmarks.decode import EXTENSIONS
from benchmarks.report import Figure, report
from benchmarks.serve_client import Client, is_right, stream_garbage
from varml.ground.allocator import keep_freed_memory
from varml.ground.isolation import Worker
from varml.inference.predictor import Prediction, Predictor
from varml.serving.decoding import Unreadable, decode_upload
from varml.video.reader import Frames
from varml.video.strange import StrangeVideo

P50_GOAL, P95_GOAL = 1.15, 1.3
GROWTH_GOAL_PERCENT, GARBAGE_GOAL_MB = 5, 100
NUM_VIDEOS, NUM_FIRST = 24, 3  # the first requests of one client do not count
NUM_GARBAGE, MAX_GARBAGE_BYTES = 30, 10**9
WARM_UP_SHARE, WINDOW_SHARE = 0.25, 0.2
POLL_SEC = 0.05
LIMIT_SEC = 60


def main() -> None:
    """Measure and report."""
    keep_freed_memory()  # as the service does, for the work alone too
    arguments = _arguments()
    found = sorted(path for path in arguments.videos.rglob("*") if path.suffix in EXTENSIONS)
    videos = found[:: max(1, len(found) // NUM_VIDEOS)]
    with serving(arguments.model) as (port, process), tempfile.TemporaryDirectory() as folder:
        with Alone(arguments.model) as alone:
            expected = {str(path): alone.answer(path).probabilities for path in videos}
            figures = measure_one_client(port, alone, videos, arguments.requests)
        file = Path(folder) / "expected.json"
        file.write_text(json.dumps(expected))
        figures += measure_many_clients(port, process, file, arguments.seconds, arguments.clients)
        figures += measure_garbage(port, process)
    report("The service", figures, arguments.json)


@contextmanager
def serving(model: Path) -> Iterator[tuple[int, psutil.Process]]:
    """Run the service on a free port of the loopback; give the port and the process."""
    command = [sys.executable, "-c", "from varml.cli import app; app()", "serve", "--port", "0", "--model", str(model)]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        port = int(json.loads(started.stdout.readline())["url"].rpartition(":")[2])
        # Its log is read, so that it never waits for room in the pipe.
        Thread(target=lambda: [None for _ in started.stdout or ()], daemon=True).start()
        try:
            yield port, psutil.Process(started.pid)
        finally:
            started.terminate()
            started.wait()


class Alone:
    """The work without the service: a warm process that decodes, flow and forward here with one thread."""

    def __init__(self, model: Path) -> None:
        import torch

        torch.set_num_threads(1)
        self._predictor = Predictor.load(model)
        self._pre = self._predictor.model.description.preprocessing
        self._worker: Worker[StrangeVideo, Frames | Unreadable] = Worker(
            decode_upload, self._pre.probe.memory_mb, Event()
        )

    def __enter__(self) -> Alone:
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.end()

    def answer(self, video: Path) -> Prediction:
        """Return the answer for one video."""
        frames, reason = self._worker.run(StrangeVideo(video, self._pre.frames, self._pre.probe), LIMIT_SEC)
        assert isinstance(frames, np.ndarray), reason or frames
        return self._predictor.answer(frames)


def measure_one_client(port: int, alone: Alone, videos: list[Path], num_requests: int) -> list[Figure]:
    """Return the latency of the service with one client, beside that of the work itself, video by video in turns."""
    client, taken = Client(port), {"alone": list[float](), "served": list[float]()}
    for path in islice(cycle(videos), num_requests + NUM_FIRST):
        content = path.read_bytes()
        start = time.perf_counter()
        expected = alone.answer(path)
        between = time.perf_counter()
        reply = client.upload(content)
        end = time.perf_counter()
        assert is_right(reply, expected.probabilities), (
            f"{reply} after {between - start:.1f} s and {end - between:.1f} s"
        )
        taken["alone"].append(between - start)
        taken["served"].append(end - between)
    (alone50, alone95), (served50, served95) = (
        np.quantile(values[NUM_FIRST:], [0.5, 0.95]).tolist() for values in taken.values()
    )
    return [
        Figure("decode, flow and forward alone, p50", 1000 * alone50, "ms"),
        Figure("one client, p50", 1000 * served50, "ms"),
        Figure("one client against alone, p50", served50 / alone50, "times", P50_GOAL),
        Figure("alone, p95 against p50", alone95 / alone50, "times"),
        Figure("one client, p95 against p50", served95 / served50, "times", P95_GOAL),
    ]


def measure_many_clients(
    port: int, process: psutil.Process, expected: Path, seconds: float, clients: int
) -> list[Figure]:
    """Return what many clients met, some of them hostile, and how memory went."""
    command = [sys.executable, "-m", "benchmarks.serve_load", "--port", str(port), "--expected", str(expected)]
    command += ["--seconds", str(seconds), "--clients", str(clients)]
    with Memory(process) as memory:
        output = subprocess.run(command, text=True, stdout=subprocess.PIPE, check=True).stdout
    found: dict[str, Any] = json.loads(output)
    statuses = {int(status): number for status, number in found["statuses"].items()}
    failures = sum(number for status, number in statuses.items() if status >= 500 and status != 503)
    before, after = memory.settled()
    name = f"{clients} clients"
    return [
        Figure(f"{name}, right answers", len(found["seconds"]) / seconds, "1/s"),
        Figure(f"{name}, p50", 1000 * statistics.median(found["seconds"]), "ms"),
        Figure(f"{name}, p95", 1000 * float(np.quantile(found["seconds"], 0.95)), "ms"),
        Figure(f"{name}, told to come back (503)", statuses.get(503, 0), "replies"),
        Figure(f"{name}, wrong answers", found["num_wrong"], "replies", 0),
        Figure(f"{name}, 5xx but 503", failures, "replies", 0),
        Figure(f"{name}, no reply", statuses.get(0, 0), "requests", 0),
        Figure("hostile uploads", found["num_hostile"], "requests"),
        Figure("hostile uploads that got neither 4xx nor 503", found["num_hostile_let_in"], "replies", 0),
        Figure("memory after warm-up", before / 1e6, "MB"),
        Figure("memory, from then to the end", 100 * (after / before - 1), "%", GROWTH_GOAL_PERCENT),
    ]


def measure_garbage(port: int, process: psutil.Process) -> list[Figure]:
    """Return what bodies of garbage, from 100 bytes to 1 GB, got, and how much memory they took at most."""
    sizes = np.geomspace(100, MAX_GARBAGE_BYTES, NUM_GARBAGE).astype(int).tolist()
    with Memory(process) as memory:
        statuses = [stream_garbage(port, number, size) for number, size in enumerate(sizes)]
    return [
        Figure("garbage", len(statuses), "bodies"),
        Figure("garbage that did not get 4xx", sum(not 400 <= status < 500 for status in statuses), "bodies", 0),
        Figure("garbage, memory at most", (max(memory.bytes) - memory.bytes[0]) / 1e6, "MB more", GARBAGE_GOAL_MB),
    ]


@dataclass
class Memory:
    """Looks at the resident memory of a process and its children while the block runs; ``bytes`` are what it saw."""

    process: psutil.Process
    bytes: list[int] = field(default_factory=list)

    def __enter__(self) -> Memory:
        self.bytes.append(_resident_bytes(self.process))
        self._done = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def settled(self) -> tuple[float, float]:
        """Return the median just after the warm-up, and that at the end."""
        number = len(self.bytes)
        first, window = int(WARM_UP_SHARE * number), max(1, int(WINDOW_SHARE * number))
        return statistics.median(self.bytes[first : first + window]), statistics.median(self.bytes[-window:])

    def _look(self) -> None:
        while not self._done.wait(POLL_SEC):
            self.bytes.append(_resident_bytes(self.process))


def _resident_bytes(process: psutil.Process) -> int:
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.Error:  # it ended just now
            continue
    return total


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--videos", type=Path, required=True, help="folder of videos")
    parser.add_argument("--requests", type=int, default=100, help="how many one client sends")
    parser.add_argument("--seconds", type=float, default=120, help="how long the many clients ask")
    parser.add_argument("--clients", type=int, default=32, help="how many they are")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
