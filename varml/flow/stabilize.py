"""Camera motion, taken out of flow: one affine map of the whole image, found by RANSAC among the flow of its corners.

Corners are asked because flow on plain patches is a guess. RANSAC: Fischler and Bolles, 1981; OpenCV starts it from one
fixed seed, so equal frames give equal maps.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from varml.flow.estimator import Flow, Gray, RgbFrames

# Each cell of the grid has its own best, or a sharp actor would leave none to a background out of focus.
GRID, MAX_CORNERS = 4, 25
CORNER_QUALITY = 0.01  # of the best corner's in its cell
CORNER_DISTANCE_PX = 6
# With fewer corners, or when fewer of them agree, no map can be told from the motion of what is filmed.
MIN_CORNERS = 12
MIN_AGREEING = 0.5
AGREEMENT_PX = 0.5
# The camera moves what surrounds a scene, an actor his own place: of the 12 cells at the edge of the grid so many must
# hold corners that agree. A person who stands upright in the middle reaches four.
MIN_EDGE_CELLS = 6


def remove_camera_motion(frames: RgbFrames, flow: Flow) -> Flow:
    """Return ``flow`` (S, F-1, H, W, 2) px of ``frames`` (S, F, H, W, 3) less the motion of the camera in each step.

    What stays is motion against the background. Where no map holds for half of the corners and around the scene, the
    flow stays as it is: behind an actor before a plain wall nothing tells what the camera does.
    """
    stabilized = flow.copy()
    for step in np.ndindex(flow.shape[:2]):
        gray = cv2.cvtColor(frames[step], cv2.COLOR_RGB2GRAY)
        stabilized[step] -= camera_motion(gray, flow[step])
    return stabilized


def camera_motion(previous: Gray, flow: Flow) -> Flow:
    """Return the part of ``flow`` (H, W, 2) px that one affine map of the image explains; zero where none does."""
    corners = _corners(previous)
    if len(corners) < MIN_CORNERS:
        return np.zeros_like(flow)
    columns, rows = np.rint(corners).astype(int).T
    moved = corners + flow[rows, columns]
    matrix, agreeing = cv2.estimateAffine2D(corners, moved, method=cv2.RANSAC, ransacReprojThreshold=AGREEMENT_PX)
    if matrix is None or agreeing.mean() < MIN_AGREEING:
        return np.zeros_like(flow)
    if _count_edge_cells(corners[agreeing.ravel() > 0], *previous.shape) < MIN_EDGE_CELLS:
        return np.zeros_like(flow)
    return _field(matrix, *previous.shape)


def _corners(image: Gray) -> npt.NDArray[np.float32]:
    """Return the corners of each cell of the grid, (N, 2) px, x then y."""
    rows, columns = ([round(side * place / GRID) for place in range(GRID + 1)] for side in image.shape)
    found = [np.empty((0, 2), np.float32)]
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            cell = np.ascontiguousarray(image[top:bottom, left:right])
            corners = (
                cv2.goodFeaturesToTrack(cell, MAX_CORNERS, CORNER_QUALITY, CORNER_DISTANCE_PX) if cell.size else None
            )
            found += [] if corners is None else [corners.reshape(-1, 2) + np.array([left, top], np.float32)]
    return np.concatenate(found)


def _count_edge_cells(corners: npt.NDArray[np.float32], height: int, width: int) -> int:
    """Return how many cells at the edge of the grid hold one of ``corners`` (N, 2), x then y."""
    cells = (corners * GRID / (width, height)).astype(int).clip(0, GRID - 1)
    at_edge = np.isin(cells, (0, GRID - 1)).any(axis=1)
    return len(np.unique(cells[at_edge], axis=0))


def _field(matrix: Flow, height: int, width: int) -> Flow:
    """Return the displacement that an affine map (2, 3) gives each pixel, (H, W, 2) px."""
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    return (places @ (matrix[:, :2] - np.eye(2)).T + matrix[:, 2]).astype(np.float32)
