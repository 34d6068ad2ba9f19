"""Flow: speed and end-point error of each estimator against TV-L1, what the stage adds, two workers against one.

``python -m benchmarks.flow --source DIR --contrib DIR`` takes real frames from the videos below ``--source`` (else the
two photographs of scikit-learn) and warps them by known fields: smooth ones, turns, zooms and shifts of a few pixels.
Estimators take turns on one thread. The values are medians of CPU time; of two workers the wall is told, and for a
busy machine the CPU of each.
``--contrib`` is the folder of opencv-contrib (see :mod:`benchmarks.tvl1`); without it TV-L1 is left out.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import psutil

from benchmarks.interleaved import interleaved
from benchmarks.known_warps import Gray, Quality, measure, photographs, usable_ways, video_frames
from benchmarks.report import Figure, report
from benchmarks.tvl1 import NO_CONTRIB, OPPONENT, TvL1
from varml.config import load_params
from varml.config.params import Flow as FlowParams
from varml.flow.estimators.dis import NUM_REFINEMENTS, PATCH_STRIDE_PX, SMOOTHING_PX
from varml.flow.store import FlowTask, extract_flow
from varml.ground.engine import map_parallel
from varml.video.frames import read_frames
from varml.video.pack import write_pack

SIDES_PX = (128, 224)
NUM_SEGMENTS, SHORT_SIDE_PX = 8, 160


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    cv2.setNumThreads(1)
    images = video_frames(arguments.source) if arguments.source else photographs()
    ways, left_out = usable_ways()
    if arguments.contrib is None:
        left_out.append(f"{OPPONENT} is left out: {NO_CONTRIB}")
    print("\n".join(left_out))
    figures: list[Figure] = []
    with TvL1(arguments.contrib) if arguments.contrib else nullcontext() as opponent:
        ways |= {OPPONENT: opponent.estimate} if opponent else {}
        for side_px in SIDES_PX:
            figures += _estimator_figures(side_px, measure(ways, images, side_px))
    with tempfile.TemporaryDirectory() as folder:
        figures += measure_stage(Path(folder), images)
    report("flow, one thread", figures, arguments.json)


def _estimator_figures(side_px: int, measured: dict[str, Quality]) -> Iterator[Figure]:
    default = load_params().flow.estimator
    goal = measured[OPPONENT].error_px if OPPONENT in measured else None
    for name, quality in measured.items():
        yield Figure(f"{side_px} px: {name}, a pair", 1e3 * quality.seconds, "ms")
        bound = goal if name == default else None
        yield Figure(f"{side_px} px: {name}, end-point error", quality.error_px, "px", bound)
    if OPPONENT in measured:
        times = measured[OPPONENT].seconds / measured[default].seconds
        yield Figure(f"{side_px} px: {default} is faster than {OPPONENT}", times, "times", 40, at_least=True)


def measure_stage(folder: Path, images: list[Gray], num_videos: int = 24) -> list[Figure]:
    """Return what the stage adds to bare OpenCV, how two workers share it, and what memory a video takes."""
    frames = folder / "frames.pack"
    write_pack(frames, stored_frames(images), load_params().frames.jpeg_quality)
    params = load_params().flow
    tasks = [FlowTask(frames, folder / f"{number}.pack", params) for number in range(num_videos)]
    stage = interleaved({"bare": lambda: bare_flow(frames), "stage": lambda: extract_flow(tasks[0])}, 15)
    work: dict[str, Callable[[], object]] = {"one": lambda: run(tasks, 1), "two": lambda: run(tasks, 2)}
    workers = interleaved(work, 5, time.perf_counter)
    one, two = (max(cpu_of_processes(lambda n=n: run(tasks, n))) for n in (1, 2))  # type: ignore[misc]
    few, many = 20, 120
    grown = 1024 * (peak_mib(frames, folder, params, many) - peak_mib(frames, folder, params, few)) / (many - few)
    return [
        Figure(f"{SHORT_SIDE_PX} px: a video of {NUM_SEGMENTS} pairs, bare OpenCV", 1e3 * stage["bare"], "ms"),
        Figure(f"{SHORT_SIDE_PX} px: the stage / bare OpenCV", stage["stage"] / stage["bare"], "times", 1.25),
        Figure(f"{num_videos} videos: two workers / one", workers["one"] / workers["two"], "times", 1.8, at_least=True),
        Figure(f"{num_videos} videos: CPU of one worker / busier of two", one / two, "times", 1.8, at_least=True),
        Figure("memory for one video more", grown, "KiB", 16),
    ]


def run(tasks: list[FlowTask], num_workers: int) -> None:
    """Do all tasks as the stage does."""
    for _ in map_parallel(extract_flow, tasks, num_workers=num_workers):
        pass


def cpu_of_processes(job: Callable[[], object]) -> list[float]:
    """Return the seconds of CPU that this process and each worker took for ``job``.

    On idle cores the busier of two workers sets the wall time; on a shared machine this tells what the wall cannot.
    """
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    before = [sum(process.cpu_times()[:2]) for process in processes]
    job()
    return [sum(process.cpu_times()[:2]) - was for process, was in zip(processes, before, strict=True)]


def bare_flow(frames: Path) -> None:
    """What a script would do with frames in memory: gray images, one DIS, one call a pair."""
    if frames not in _IN_MEMORY:
        _IN_MEMORY[frames] = read_frames(frames)
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    solver.setFinestScale(0)
    solver.setVariationalRefinementIterations(NUM_REFINEMENTS)
    solver.setPatchStride(PATCH_STRIDE_PX)
    for segment in _IN_MEMORY[frames]:
        gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in segment]
        for previous, following in pairwise(gray):
            cv2.GaussianBlur(solver.calc(previous, following, None), (0, 0), SMOOTHING_PX)


_IN_MEMORY: dict[Path, npt.NDArray[np.uint8]] = {}


def peak_mib(frames: Path, folder: Path, params: FlowParams, num_videos: int) -> float:
    """Return the peak of resident memory of a fresh process that extracts the flow of so many videos."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_extract_many, frames, folder, params, num_videos).result()


def _extract_many(frames: Path, folder: Path, params: FlowParams, num_videos: int) -> float:
    run([FlowTask(frames, folder / f"{number}.pack", params) for number in range(num_videos)], 1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def stored_frames(images: list[Gray]) -> npt.NDArray[np.uint8]:
    """Return (8, 2, 160, 214, 3): each segment shows one image that turns and zooms a little."""
    size = (round(SHORT_SIDE_PX * 4 / 3), SHORT_SIDE_PX)
    matrix = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), 1, 1.02)
    chosen = [cv2.resize(images[i % len(images)], size, interpolation=cv2.INTER_AREA) for i in range(NUM_SEGMENTS)]
    pairs = [[image, cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT)] for image in chosen]
    return np.repeat(np.asarray(pairs)[..., None], 3, axis=-1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="folder of videos whose frames are warped")
    parser.add_argument("--contrib", type=Path, help="folder that holds opencv-contrib, for TV-L1")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
