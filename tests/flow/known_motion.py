"""Images moved by a map that is known, and the flow that it gives."""

from __future__ import annotations

import cv2
import numpy as np


def motion(kind: str, height: int, width: int) -> np.ndarray:
    """Return the (2, 3) affine map of a shift, a rotation or a zoom about the middle, by two or three pixels."""
    middle = ((width - 1) / 2, (height - 1) / 2)
    maps = {
        "shift": np.array([[1, 0, 2.5], [0, 1, -1.25]]),
        "rotation": cv2.getRotationMatrix2D(middle, 2, 1),
        "zoom": cv2.getRotationMatrix2D(middle, 0, 1.03),
        "still": np.eye(2, 3),
    }
    return maps[kind].astype(np.float32)


def field_of(matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the displacement (height, width, 2) that an affine map gives each pixel."""
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    return places @ matrix[:, :2].T + matrix[:, 2] - places


def warped(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return ``image`` with each pixel moved by an affine map."""
    size = image.shape[1::-1]
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
