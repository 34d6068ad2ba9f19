"""Pyramidal Lucas-Kanade on a grid: Bouguet, "Pyramidal Implementation of the Lucas Kanade Feature Tracker", 2000.

Each point of the grid is tracked, ``x_new = x_old + v``, and ``v`` is interpolated between the points.
"""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from varml.flow.estimator import Flow, Gray, estimators

STEP_PX = 4
WINDOW_PX = 15
NUM_COARSER = 3  # levels above full resolution
# A smaller image has no window inside it.
MIN_SIDE_PX = 2 * WINDOW_PX
# Rounds in which a point that was lost takes the mean of its found neighbours; more than any usual plain patch needs.
NUM_FILLS = 8


@estimators.register("lucas_kanade")
class LucasKanade:
    """OpenCV's tracker with windows of 15 px on a grid of 4 px; what cannot be tracked moves as its neighbours do."""

    error_px: ClassVar[float] = 0.2

    def estimate(self, previous: Gray, following: Gray) -> Flow:
        """Return the displacement (see :class:`varml.flow.estimator.FlowEstimator`)."""
        height, width = previous.shape
        pad = [(0, max(MIN_SIDE_PX - height, 0)), (0, max(MIN_SIDE_PX - width, 0))]
        first, second = np.pad(previous, pad, mode="edge"), np.pad(following, pad, mode="edge")
        on_grid = _smooth(*_track(first, second))
        return _interpolate(on_grid, *first.shape)[:height, :width]


def _track(first: Gray, second: Gray) -> tuple[Flow, npt.NDArray[np.bool_]]:
    """Return the displacement of each point of the grid, (h, w, 2) px, and which were found."""
    rows, columns = (np.arange(STEP_PX // 2, side, STEP_PX, dtype=np.float32) for side in first.shape)
    old = np.stack(np.meshgrid(columns, rows), axis=-1)  # (h, w, 2), x then y
    window = (WINDOW_PX, WINDOW_PX)
    new, found, _ = cv2.calcOpticalFlowPyrLK(
        first, second, old.reshape(-1, 1, 2), None, winSize=window, maxLevel=NUM_COARSER
    )
    new, kept = new.reshape(old.shape), found.reshape(old.shape[:2]).astype(bool)
    inside = ((new >= 0) & (new < first.shape[::-1])).all(axis=-1)
    return new - old, kept & inside


def _smooth(flow: Flow, found: npt.NDArray[np.bool_]) -> Flow:
    """Return the flow of the grid with lost points filled from their neighbours, and single outliers removed."""
    flow, known = np.where(found[..., None], flow, 0).astype(np.float32), found.astype(np.float32)
    for _ in range(NUM_FILLS):
        weight = cv2.blur(known, (3, 3))
        mean = cv2.blur(flow, (3, 3)) / np.maximum(weight, 1e-6)[..., None]
        flow, known = np.where(known[..., None] > 0, flow, mean), (weight > 1e-6).astype(np.float32)
    return np.stack([cv2.medianBlur(np.ascontiguousarray(flow[..., axis]), 3) for axis in (0, 1)], axis=-1)


def _interpolate(on_grid: Flow, height: int, width: int) -> Flow:
    """Return the flow of the grid at every pixel, bilinear; beyond the outer points it is theirs."""
    x, y = ((np.arange(side, dtype=np.float32) - STEP_PX // 2) / STEP_PX for side in (width, height))
    return cv2.remap(on_grid, *np.meshgrid(x, y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
