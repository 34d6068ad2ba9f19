"""Scales frames by area where they shrink."""

from __future__ import annotations

import cv2
import numpy as np

from varml.video.reader import Frames


def scaled_size(width: int, height: int, short_side_px: int) -> tuple[int, int]:
    """Return (width, height) scaled so that the short side is ``short_side_px``, the aspect kept."""
    factor = short_side_px / min(height, width)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def scale(frame: Frames, size: tuple[int, int]) -> Frames:
    """Return ``frame`` (H, W, 3) scaled to ``size``, (width, height)."""
    height, width = frame.shape[:2]
    # Area averaging does not alias when it shrinks; when it enlarges, OpenCV interpolates linearly.
    shrinks = size[0] * size[1] < width * height
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))
