"""Which frames must be stored, told from true times alone: sampling written a second time, as its text says it.

A video lasts from its first frame to the end of its last, which is shown as long as the others are in the median. It
is cut into equal segments; in the middle of each lie frames one interval apart, moved inside the video where they
would leave it. Each is the frame of the nearest time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

# Less than any container's tick: what is nearer by less is as near.
ROUNDING_SEC = 1e-6


def wanted_times(times_sec: Sequence[float], segments: int, frames: int, interval_sec: float) -> list[float]:
    """Return the times that are asked for, segment by segment, in seconds from the first frame."""
    last_sec = times_sec[-1] - times_sec[0]
    gaps = [after - before for before, after in pairwise(times_sec)]
    segment_sec = (last_sec + (median(gaps) if gaps else 0.0)) / segments
    snippet_sec = interval_sec * (frames - 1)
    wanted = []
    for segment in range(segments):
        start = segment * segment_sec + (segment_sec - snippet_sec) / 2
        start = max(0.0, min(start, last_sec - snippet_sec))
        wanted += [start + frame * interval_sec for frame in range(frames)]
    return wanted


def allowed_frames(times_sec: Sequence[float], wanted_sec: Sequence[float], slack_sec: float) -> list[set[int]]:
    """Return for each wanted time the indices of the nearest frames.

    They are several only where times that are off by ``slack_sec`` would make another frame the nearest.
    """
    allowed = []
    for wanted in wanted_sec:
        distances = [abs(time - times_sec[0] - wanted) for time in times_sec]
        limit = min(distances) + slack_sec + ROUNDING_SEC
        allowed.append({index for index, distance in enumerate(distances) if distance <= limit})
    return allowed
