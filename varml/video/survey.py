"""The one decoding pass over a new file: how many frames, when each is shown, what they look like at a few spots."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from varml.config.params import Probe
from varml.errors import VideoError
from varml.video.container import (
    UprightRgb,
    decode_stream,
    nominal_fps,
    open_stream,
    seconds_from_first,
)
from varml.video.orientation import Orientation, orientation_of
from varml.video.reader import Frames, Times

# A few lost frames leave an action recognisable; more may leave nothing of it.
MAX_FAILED_FRACTION = 0.1


@dataclass
class Survey:
    """What decoding the whole default video stream showed.

    ``ticks`` has each frame's presentation time in units of ``tick_sec``, None where it has none; ``spots`` has the
    upright RGB of the frames at the places that were asked for.
    """

    codec: str
    pixel_format: str
    num_video_streams: int
    num_audio_streams: int
    tick_sec: float
    fps: float
    # The width of a pixel over its height, as stored.
    sample_aspect_ratio: float
    ticks: list[int | None] = field(default_factory=list)
    damaged: bool = False
    failed: list[Any] = field(default_factory=list)
    orientation: Orientation = field(default_factory=Orientation)
    # The upright frame in square pixels, (width, height).
    size: tuple[int, int] = (0, 0)
    upright_rgb: UprightRgb = field(default_factory=UprightRgb)
    spots: dict[int, Frames] = field(default_factory=dict)

    @property
    def num_frames(self) -> int:
        """How many frames decode."""
        return len(self.ticks)

    @property
    def timestamps_sec(self) -> Times:
        """Presentation times in seconds from the first."""
        return seconds_from_first(self.ticks, self.tick_sec, self.fps)


def survey_video(path: Path, limits: Probe, spots: Collection[int], look: Callable[[Any, float], None]) -> Survey:
    """Decode ``path`` once, from the first frame to the last; ``look`` sees each frame with its time in seconds.

    Raises VideoError where it has no frame, changes its size, or is larger than ``limits`` allow.
    """
    with open_stream(path) as (container, stream):
        survey = _header(container, stream)
        pixels = PixelLimit(limits)
        raw_sizes = set()
        for frame in decode_stream(container, stream, survey.failed.append):
            pixels.check(frame.width, frame.height, survey.num_frames + 1)
            raw_sizes.add((frame.width, frame.height, orientation_of(frame)))
            look(frame, _time_sec(survey, frame))
            _note(survey, frame, spots)
    _check_damage(survey)
    if len(raw_sizes) > 1:
        raise VideoError(f"its frame size changes on the way ({len(raw_sizes)} sizes); encode it again with one size")
    ((width, height, _),) = raw_sizes
    survey.size = _upright_size(width, height, survey.sample_aspect_ratio, survey.orientation)
    return survey


def _check_damage(survey: Survey) -> None:
    total = len(survey.failed) + survey.num_frames
    if not survey.ticks:
        raise VideoError("has no frame that can be decoded")
    if len(survey.failed) > MAX_FAILED_FRACTION * total:
        raise VideoError(f"{len(survey.failed)} of its {total} frames cannot be decoded; it is damaged")
    survey.damaged |= bool(survey.failed)


def _header(container: Any, stream: Any) -> Survey:
    context, streams = stream.codec_context, container.streams
    tick_sec = float(stream.time_base) if stream.time_base else 0.0
    return Survey(
        context.name,
        str(context.pix_fmt),
        len(streams.video),
        len(streams.audio),
        tick_sec,
        nominal_fps(stream),
        float(stream.sample_aspect_ratio or 1),
    )


def _note(survey: Survey, frame: Any, spots: Collection[int]) -> None:
    if survey.num_frames in spots:
        survey.spots[survey.num_frames] = survey.upright_rgb(frame)
    survey.ticks.append(frame.pts)
    survey.damaged |= bool(frame.is_corrupt)
    survey.orientation = orientation_of(frame)


def _time_sec(survey: Survey, frame: Any) -> float:
    return survey.num_frames / survey.fps if frame.pts is None else frame.pts * survey.tick_sec


def _upright_size(width: int, height: int, ratio: float, orientation: Orientation) -> tuple[int, int]:
    width = max(round(width * ratio), 1)
    return (height, width) if orientation.transposed else (width, height)


@dataclass(frozen=True)
class PixelLimit:
    """Bounds what a small file may unfold to."""

    limits: Probe

    def check(self, width: int, height: int, num_frames: int = 1) -> None:
        """Raise VideoError where one frame, or all so far, have more pixels than the limits allow."""
        pixels = width * height
        if pixels > self.limits.max_frame_megapixels * 1e6:
            raise VideoError(
                f"its frames of {width} x {height} pixels are larger than ingest.probe.max_frame_megapixels = "
                f"{self.limits.max_frame_megapixels:g}"
            )
        if pixels * num_frames > self.limits.max_video_gigapixels * 1e9:
            raise VideoError(
                f"its frames have more pixels in all than ingest.probe.max_video_gigapixels = "
                f"{self.limits.max_video_gigapixels:g}; cut it into shorter videos"
            )
