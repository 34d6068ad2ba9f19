"""Polynomial expansion: Farnebäck, "Two-Frame Motion Estimation Based on Polynomial Expansion", 2003."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np

from varml.flow.estimator import Flow, Gray, estimators

# OpenCV's expansion is wrong near the border: equal frames get flow of up to a pixel there.
BORDER_PX = 32


@estimators.register("farneback")
class Farneback:
    """OpenCV's Farnebäck with a pyramid of three levels and windows of 15 px."""

    # Plain patches (a sky) get little of the motion around them.
    error_px: ClassVar[float] = 1.4

    def estimate(self, previous: Gray, following: Gray) -> Flow:
        """Return the displacement (see :class:`varml.flow.estimator.FlowEstimator`)."""
        height, width = previous.shape
        first, second = (np.pad(image, BORDER_PX, mode="edge") for image in (previous, following))
        flow = cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 3, 5, 1.2, 0)
        inside = flow[BORDER_PX : BORDER_PX + height, BORDER_PX : BORDER_PX + width]
        return np.ascontiguousarray(inside, dtype=np.float32)
