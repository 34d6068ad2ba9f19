"""Which frames of a video are taken: TSN's snippets, with the interval in seconds.

A video is cut into S equal segments; each gives F frames ``frame_interval_sec`` apart, so that flow between
them means the same at 10 and at 60 frames a second. One function serves extraction, prediction and serving.

Wang et al., "Temporal Segment Networks", 2016, arXiv:1608.00859.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from varml.video.reader import Times

Indices = npt.NDArray[np.int64]


def sample_indices(
    timestamps_sec: Times,
    num_segments: int,
    frames_per_segment: int,
    frame_interval_sec: float,
    generator: np.random.Generator | None = None,
) -> Indices:
    """Return the indices of the frames to take, (S, F) int64, ascending within a segment.

    ``timestamps_sec`` is (T,) ascending from 0. A snippet lies in the middle of its segment, or at a place that
    ``generator`` draws. A snippet that would leave the video is moved inside; where the video is shorter than
    a snippet, the last frame is repeated.
    """
    duration_sec = _duration(timestamps_sec)
    segment_sec = duration_sec / num_segments
    snippet_sec = frame_interval_sec * (frames_per_segment - 1)
    place = 0.5 if generator is None else generator.random(num_segments)
    starts_sec = np.arange(num_segments) * segment_sec + place * (segment_sec - snippet_sec)  # (S,)
    starts_sec = np.clip(starts_sec, 0.0, max(timestamps_sec[-1] - snippet_sec, 0.0))
    times_sec = starts_sec[:, None] + frame_interval_sec * np.arange(frames_per_segment)  # (S, F)
    return nearest_frames(timestamps_sec, times_sec)


def nearest_frames(timestamps_sec: Times, times_sec: Times) -> Indices:
    """Return for each time the index of the frame whose presentation time is nearest, the earlier on a tie."""
    middles_sec = (timestamps_sec[1:] + timestamps_sec[:-1]) / 2
    # Times that differ by rounding alone must fall on the same frame on every machine.
    return np.searchsorted(middles_sec, times_sec - 1e-9).astype(np.int64)


def _duration(timestamps_sec: Times) -> float:
    # The last frame is shown as long as the others are in the median.
    last_sec = float(np.median(np.diff(timestamps_sec))) if len(timestamps_sec) > 1 else 0.0
    return float(timestamps_sec[-1]) + last_sec
