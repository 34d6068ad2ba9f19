"""Images moved by known fields, and how far off flow estimators are on them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_sample_image

from benchmarks.decode import EXTENSIONS
from varml.errors import WeightsError
from varml.flow.estimator import FlowEstimator, estimators, make_estimator
from varml.video.container import decode

MARGIN = 0.08  # of the side; there the field leads out of the image
ROUNDS = 3
NUM_IMAGES, FRAME = 6, 10
Array = npt.NDArray[np.float32]
Gray = npt.NDArray[np.uint8]
Case = tuple[Gray, Gray, Array]  # previous, following, the true flow
Way = Callable[[Gray, Gray], tuple[float, Array]]  # seconds of CPU on one thread, and the flow


@dataclass(frozen=True)
class Quality:
    """What one way to estimate flow does on known warps: median seconds a pair, mean end-point error."""

    seconds: float
    error_px: float


def usable_ways() -> tuple[dict[str, Way], list[str]]:
    """Return each registered estimator that has its weights, timed, and a line for each that has none."""
    ways, left_out = {}, []
    for name in estimators.names():
        try:
            ways[name] = timed(make_estimator(name))
        except WeightsError as error:
            left_out.append(f"{name} is left out: {error}")
    return ways, left_out


def timed(estimator: FlowEstimator) -> Way:
    """Return ``estimator`` as a function that also tells the seconds of CPU of each estimate."""

    def estimate(previous: Gray, following: Gray) -> tuple[float, Array]:
        start = time.process_time()
        flow = estimator.estimate(previous, following)
        return time.process_time() - start, flow

    return estimate


def measure(ways: dict[str, Way], images: list[Gray], side_px: int) -> dict[str, Quality]:
    """Return speed and error of all ways, which take turns, on square images of ``side_px``."""
    cases = [case for number, image in enumerate(images) for case in warped_cases(square(image, side_px), number)]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    errors: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for previous, following, true in cases:
            for name, way in ways.items():
                taken, flow = way(previous, following)
                seconds[name].append(taken)
                errors[name].append(end_point_error(flow, true))
    return {name: Quality(statistics.median(seconds[name]), statistics.fmean(errors[name])) for name in ways}


def end_point_error(flow: Array, true: Array) -> float:
    """Return the mean distance in px between where pixels went and where they are said to have gone."""
    margin = round(MARGIN * flow.shape[0])
    inner = slice(margin, -margin), slice(margin, -margin)
    return float(np.linalg.norm(flow[inner] - true[inner], axis=-1).mean())


def warped_cases(image: Gray, seed: int) -> Iterator[Case]:
    """Yield pairs whose flow is known exactly: ``previous`` is read from ``image`` along the field."""
    side = image.shape[0]
    places = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).astype(np.float32)
    for field in known_fields(places, np.random.default_rng(seed)):
        along = places + field
        yield cv2.remap(image, along, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), image, field


def known_fields(places: Array, generator: np.random.Generator) -> Iterator[Array]:
    """Yield a smooth field of some pixels, a turn by 2 degrees, a zoom by 3% and a shift."""
    side = len(places)
    coarse = generator.normal(0, 2, (5, 5, 2)).astype(np.float32)
    yield cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    for angle, scale in ((2, 1), (0, 1.03)):
        matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, scale)
        yield (places @ (matrix[:, :2] - np.eye(2)).T + matrix[:, 2]).astype(np.float32)
    yield np.broadcast_to(generator.uniform(-3, 3, 2).astype(np.float32), places.shape).copy()


def photographs() -> list[Gray]:
    """Return scikit-learn's two photographs."""
    return [cv2.cvtColor(load_sample_image(name), cv2.COLOR_RGB2GRAY) for name in ("china.jpg", "flower.jpg")]


def video_frames(source: Path) -> list[Gray]:
    """Return one frame of some videos below ``source``."""
    videos = [path for path in sorted(source.rglob("*")) if path.suffix in EXTENSIONS]
    chosen = videos[:: max(len(videos) // NUM_IMAGES, 1)][:NUM_IMAGES]
    found = [next(islice(decode(path), FRAME, None), None) for path in chosen]
    return [cv2.cvtColor(frame.to_ndarray(format="rgb24"), cv2.COLOR_RGB2GRAY) for frame in found if frame]


def square(image: Gray, side_px: int) -> Gray:
    """Return the middle of ``image``, scaled to a square."""
    short = min(image.shape)
    top, left = ((side - short) // 2 for side in image.shape)
    crop = image[top : top + short, left : left + short]
    return cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA)
