"""The film of an inspection: each stored frame beside the flow that leads on from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from varml.data.sample.encode import write_video
from varml.ground.atomic import atomic_writer
from varml.inspection.colours import Images, flow_colours
from varml.inspection.inspection import Inspection
from varml.video.reader import Frames

# The chroma of yuv420p has half the resolution; at double size each pixel of the flow keeps its colour.
ENLARGED = 2
MAX_SIDE_PX = 1280
CAPTION_PX = 24
# Slow enough to look at each frame, and many frames take no longer than this, unless they would race.
MIN_RATE, MAX_RATE = 2, 10
AIM_SEC = 20
_FONT, _FONT_SCALE, _MARGIN_PX = cv2.FONT_HERSHEY_SIMPLEX, 0.45, 4


def write_film(path: Path, inspection: Inspection) -> None:
    """Write an H.264 mp4 in one step: frames at the left, flow in colours at the right, a caption below.

    There are S*F frames; the last one of a segment keeps the flow that led to it.
    """
    width, height = film_size(*inspection.frames.shape[3:1:-1])
    rate = frame_rate(inspection.times_sec.size)
    with atomic_writer(path) as file:
        # By its whole name: FFmpeg takes what stands before a colon for a protocol.
        write_video(Path(file.name).absolute(), film_frames(inspection), width, height, rate)


def frame_rate(num_frames: int) -> int:
    """Return at how many frames a second a person can follow a film of so many."""
    return min(max(round(num_frames / AIM_SEC), MIN_RATE), MAX_RATE)


def film_size(width: int, height: int) -> tuple[int, int]:
    """Return (width, height) of the film of frames of that size."""
    half, tall = _half_size(width, height)
    return 2 * half, tall + CAPTION_PX


def film_frames(inspection: Inspection) -> Iterator[Images]:
    """Yield each frame of the film, (height, width, 3) uint8 RGB, in order."""
    full_px = inspection.full_px
    size = _half_size(*inspection.frames.shape[3:1:-1])
    num_segments = len(inspection.frames)
    for segment, (frames, times_sec, flow) in enumerate(
        zip(inspection.frames, inspection.times_sec, inspection.flow, strict=True), start=1
    ):
        colours = flow_colours(flow, full_px)
        for step, (frame, time_sec) in enumerate(zip(frames, times_sec, strict=True)):
            halves = [_fitted(frame, size), _fitted(colours[min(step, len(colours) - 1)], size)]
            text = f"segment {segment} of {num_segments}, {time_sec:.2f} s; full colour is {full_px:g} px a step"
            yield np.concatenate([np.concatenate(halves, axis=1), _caption(text, 2 * size[0])])


def _half_size(width: int, height: int) -> tuple[int, int]:
    """Return the even (width, height) at which one frame is shown."""
    factor = min(ENLARGED, MAX_SIDE_PX / max(width, height))
    return tuple(2 * max(round(side * factor / 2), 1) for side in (width, height))  # type: ignore[return-value]


def _fitted(image: Frames, size: tuple[int, int]) -> Frames:
    # Stored pixels stay what they are where they are enlarged.
    shrinks = size[0] < image.shape[1]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST))


def _caption(text: str, width: int) -> Images:
    strip = np.full((CAPTION_PX, width, 3), 255, np.uint8)
    (text_width, _), _ = cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)
    font_scale = _FONT_SCALE * min(1.0, (width - 2 * _MARGIN_PX) / text_width)
    place = (_MARGIN_PX, CAPTION_PX - 2 * _MARGIN_PX)
    return np.asarray(cv2.putText(strip, text, place, _FONT, font_scale, (0, 0, 0), 1, cv2.LINE_AA))
