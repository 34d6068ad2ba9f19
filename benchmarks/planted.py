"""Copies of a video made on purpose: each kind is a change of its frames, of its rate, or of its coding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from varml.video.container import UprightRgb, decode

Image = npt.NDArray[np.uint8]
Change = Callable[[list[Image], np.random.Generator], list[Image]]


@dataclass(frozen=True)
class Kind:
    """How a copy differs: its frames, what multiplies the rate at which they are played, and its coding."""

    change: Change
    rate: Fraction = Fraction(1)
    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = (("crf", "28"), ("preset", "veryfast"))
    suffix: str = ".mp4"


def _same(frames: list[Image], _: np.random.Generator) -> list[Image]:
    return frames


def _mirrored(frames: list[Image], _: np.random.Generator) -> list[Image]:
    return [frame[:, ::-1] for frame in frames]


def _every_second(frames: list[Image], _: np.random.Generator) -> list[Image]:
    return frames[1::2]


def _trimmed(share: float) -> Change:
    def trim(frames: list[Image], rng: np.random.Generator) -> list[Image]:
        kept = max(round(share * len(frames)), 2)
        start = int(rng.integers(0, len(frames) - kept + 1))
        return frames[start : start + kept]

    return trim


def _resized(factor_x: float, factor_y: float) -> Change:
    def resize(frames: list[Image], _: np.random.Generator) -> list[Image]:
        height, width = frames[0].shape[:2]
        size = round(width * factor_x), round(height * factor_y)
        how = cv2.INTER_AREA if factor_x < 1 else cv2.INTER_LINEAR
        return [np.asarray(cv2.resize(frame, size, interpolation=how), np.uint8) for frame in frames]

    return resize


def _all_of(*changes: Change) -> Change:
    def change_all(frames: list[Image], rng: np.random.Generator) -> list[Image]:
        for change in changes:
            frames = change(frames, rng)
        return frames

    return change_all


KINDS = {
    "re-encoded, H.264 crf 35": Kind(_same, options=(("crf", "35"), ("preset", "veryfast"))),
    "re-encoded, MPEG-4": Kind(_same, codec="mpeg4", options=(("b", "300000"),), suffix=".avi"),
    "re-encoded, VP9": Kind(
        _same,
        codec="libvpx-vp9",
        options=(("crf", "40"), ("b", "0"), ("cpu-used", "8"), ("deadline", "realtime")),
        suffix=".webm",
    ),
    "half the size": Kind(_resized(0.5, 0.5)),
    "larger, another aspect": Kind(_resized(1.6, 1.4)),
    "trimmed to 70%": Kind(_trimmed(0.7)),
    "trimmed to 50%": Kind(_trimmed(0.5)),
    "mirrored": Kind(_mirrored),
    "every second frame": Kind(_every_second, rate=Fraction(1, 2)),
    "played at half the rate": Kind(_same, rate=Fraction(1, 2)),
    "mirrored, trimmed, smaller": Kind(_all_of(_mirrored, _trimmed(0.6), _resized(0.7, 0.7))),
}


def plant(source: Path, target: Path, kind: Kind, rng: np.random.Generator) -> None:
    """Write a copy of ``source`` to ``target``."""
    upright_rgb = UprightRgb()
    frames = [(frame.pts * float(frame.time_base), upright_rgb(frame)) for frame in decode(source)]
    span_sec = frames[-1][0] - frames[0][0]
    fps = Fraction((len(frames) - 1) / span_sec).limit_denominator(1001)
    _write(target, kind.change([image for _, image in frames], rng), fps * kind.rate, kind)


def _write(path: Path, frames: Sequence[Image], fps: Fraction, kind: Kind) -> None:
    height, width = (length // 2 * 2 for length in frames[0].shape[:2])
    with av.open(str(path), "w") as output:
        stream = output.add_stream(kind.codec, rate=fps, options={"threads": "1", **dict(kind.options)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
