"""Clips: the part of a video between two times that a row of the annotations names."""

from __future__ import annotations

import math

from varml.data.labelled_file import LabelledFile

# Players round the end of a video up; a clip that ends so much later ends with the video.
MAX_OVERSHOOT_SEC = 1.0


def clip_times(start: str, end: str) -> tuple[str, str]:
    """Return both times in the one text that stands for each number, or two empty texts for the whole video.

    Raises ValueError with the rule where they break one.
    """
    if not start and not end:
        return "", ""
    try:
        start_sec, end_sec = float(start), float(end)
    except ValueError:
        start_sec = end_sec = math.nan
    if not 0 <= start_sec < end_sec < math.inf:
        raise ValueError(
            f"start_sec {start!r} and end_sec {end!r} must be two numbers with 0 <= start_sec < end_sec, or both empty"
        )
    # Adding 0 makes -0.0, which is another text, 0.0.
    return repr(start_sec + 0.0), repr(end_sec)


def clip_fault(file: LabelledFile, duration_sec: float) -> str | None:
    """Return why a video of that duration does not hold the clip, or None where it does."""
    if not file.start_sec:
        return None
    if float(file.start_sec) >= duration_sec:
        return f"its clip begins at {float(file.start_sec):g} s and the video ends at {duration_sec:g} s"
    if float(file.end_sec) > duration_sec + MAX_OVERSHOOT_SEC:
        return f"its clip ends at {float(file.end_sec):g} s and the video at {duration_sec:g} s"
    return None


def end_within(file: LabelledFile, duration_sec: float) -> str:
    """Return the end of the clip, which is that of the video where the row names a later one."""
    return file.end_sec and repr(min(float(file.end_sec), duration_sec))
