"""Polynomial expansion: Farnebäck, "Two-Frame Motion Estimation Based on Polynomial Expansion", 2003."""

from __future__ import annotations

import cv2
import numpy as np

from varml.flow.estimator import Flow, Gray, estimators


@estimators.register("farneback")
class Farneback:
    """OpenCV's Farnebäck with a pyramid of three levels and windows of 15 px."""

    def estimate(self, previous: Gray, following: Gray) -> Flow:
        """Return the displacement (see :class:`varml.flow.estimator.FlowEstimator`)."""
        flow = cv2.calcOpticalFlowFarneback(previous, following, None, 0.5, 3, 15, 3, 5, 1.2, 0)
        return np.asarray(flow, dtype=np.float32)
