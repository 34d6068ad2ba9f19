"""Dense inverse search: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016, arXiv:1603.03590."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np

from varml.flow.estimator import Flow, Gray, estimators

# OpenCV looks for patches of 8 px with a border on its coarsest scale and fails on images smaller than this.
MIN_SIDE_PX = 16


@estimators.register("dis")
class Dis:
    """OpenCV's DIS, preset FAST, finest scale 0 (full resolution)."""

    error_px: ClassVar[float] = 0.15
    preset: ClassVar[int] = cv2.DISOPTICAL_FLOW_PRESET_FAST

    def estimate(self, previous: Gray, following: Gray) -> Flow:
        """Return the displacement (see :class:`varml.flow.estimator.FlowEstimator`)."""
        height, width = previous.shape
        pad = [(0, max(MIN_SIDE_PX - height, 0)), (0, max(MIN_SIDE_PX - width, 0))]
        first, second = np.pad(previous, pad, mode="edge"), np.pad(following, pad, mode="edge")
        # OpenCV's object keeps state between images of different sizes; a new one for each pair costs little.
        solver = cv2.DISOpticalFlow.create(self.preset)
        solver.setFinestScale(0)
        return np.asarray(solver.calc(first, second, None)[:height, :width], dtype=np.float32)
