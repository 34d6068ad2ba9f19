"""Camera motion, taken out of flow: one affine map of the whole image, found by RANSAC among the flow of its corners.

Corners are asked because flow on plain patches is a guess. RANSAC: Fischler and Bolles, 1981; OpenCV starts it from one
fixed seed, so equal frames give equal maps.
"""

from __future__ import annotations

import cv2
import numpy as np

from varml.flow.estimator import Flow, Gray, RgbFrames

MAX_CORNERS = 400
CORNER_QUALITY = 0.01  # of the best corner's
CORNER_DISTANCE_PX = 6
# With fewer corners, or when fewer of them agree, no map can be told from the motion of what is filmed.
MIN_CORNERS = 12
MIN_AGREEING = 0.5
AGREEMENT_PX = 0.5


def remove_camera_motion(frames: RgbFrames, flow: Flow) -> Flow:
    """Return ``flow`` (S, F-1, H, W, 2) px of ``frames`` (S, F, H, W, 3) less the motion of the camera in each step.

    What stays is motion against the background. Where no map holds for half of the corners, the flow stays as it is.
    """
    stabilized = flow.copy()
    for step in np.ndindex(flow.shape[:2]):
        gray = cv2.cvtColor(frames[step], cv2.COLOR_RGB2GRAY)
        stabilized[step] -= camera_motion(gray, flow[step])
    return stabilized


def camera_motion(previous: Gray, flow: Flow) -> Flow:
    """Return the part of ``flow`` (H, W, 2) px that one affine map of the image explains; zero where none does."""
    found = cv2.goodFeaturesToTrack(previous, MAX_CORNERS, CORNER_QUALITY, CORNER_DISTANCE_PX)
    if found is None or len(found) < MIN_CORNERS:
        return np.zeros_like(flow)
    corners = found.reshape(-1, 2)  # (N, 2), x then y
    columns, rows = np.rint(corners).astype(int).T
    moved = corners + flow[rows, columns]
    matrix, agreeing = cv2.estimateAffine2D(corners, moved, method=cv2.RANSAC, ransacReprojThreshold=AGREEMENT_PX)
    if matrix is None or agreeing.mean() < MIN_AGREEING:
        return np.zeros_like(flow)
    return _field(matrix, *previous.shape)


def _field(matrix: Flow, height: int, width: int) -> Flow:
    """Return the displacement that an affine map (2, 3) gives each pixel, (H, W, 2) px."""
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    return (places @ (matrix[:, :2] - np.eye(2)).T + matrix[:, 2]).astype(np.float32)
