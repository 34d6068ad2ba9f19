"""A clip: the part of a video between two times, which is the whole video where no times are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from varml.errors import VideoError
from varml.video.reader import Frames, Source, Times, VideoReader, open_video
from varml.video.scale import scale, scaled_size


@dataclass(frozen=True)
class Clip:
    """One labelled stretch of a video; travels to worker processes.

    ``width`` and ``height`` are those of the upright frame in square pixels. Frames shown from ``start_sec`` up to,
    not with, ``end_sec`` belong to it, both counted from the first frame; None is the end of the video.
    """

    source: Source
    width: int
    height: int
    start_sec: float = 0.0
    end_sec: float | None = None


def open_clip(clip: Clip) -> VideoReader:
    """Open a clip; its times count from its own first frame. Raises VideoError where no frame lies in it."""
    reader = open_video(clip.source)
    whole = clip.start_sec == 0 and clip.end_sec is None
    return reader if whole else _Trimmed(reader, clip)


def middle_frame(clip: Clip, short_side_px: int) -> Frames:
    """Return the frame in the middle of a clip as (H, W, 3) uint8 RGB, scaled."""
    reader = open_clip(clip)
    (frame,) = reader.read([len(reader.timestamps_sec) // 2])
    return scale(frame, scaled_size(clip.width, clip.height, short_side_px))


class _Trimmed:
    """The frames of a reader that lie in a clip."""

    def __init__(self, reader: VideoReader, clip: Clip) -> None:
        times = reader.timestamps_sec
        end_sec = np.inf if clip.end_sec is None else clip.end_sec
        inside = np.flatnonzero((times >= clip.start_sec) & (times < end_sec))
        if len(inside) == 0:
            raise VideoError(f"no frame is shown from {clip.start_sec:g} s to {end_sec:g} s; correct the times")
        self._reader, self._first = reader, int(inside[0])
        self.timestamps_sec: Times = times[inside] - times[inside[0]]

    def read(self, indices: Sequence[int]) -> Frames:
        """Return the frames at ``indices`` of the clip (see :class:`varml.video.reader.VideoReader`)."""
        return self._reader.read([self._first + index for index in indices])
