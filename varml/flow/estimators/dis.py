"""Dense inverse search: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016, arXiv:1603.03590."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np

from varml.flow.estimator import Flow, Gray, estimators

# OpenCV looks for patches of 8 px with a border on its coarsest scale and fails on images smaller than this.
MIN_SIDE_PX = 16
# Variational refinements on each scale, of which the preset has five. The last two cost a sixth of the time and take
# three thousandths of a pixel off the error of known warps, which no recogniser noticed (benchmarks/results/motion.md).
NUM_REFINEMENTS = 3
# From patch to patch, 8 px each, where the preset has 4: a fifth of the time less, and on frames of UT-Interaction
# warped by known fields 0.0535 px of error in place of 0.0565 at 224 px, 0.0637 in place of 0.0658 at 128 px.
PATCH_STRIDE_PX = 5
# A Gaussian over the field errs less on known warps at any size: of 1, 1.5, 2 and 3 px this one errs least at 128 px of
# UT-Interaction, and takes 8 to 16 hundredths off the error on two kinds of real frames at 128 to 256 px, for a few
# hundredths of the time. benchmarks/results/motion.md has what it does to recognition.
SMOOTHING_PX = 1.5


@estimators.register("dis")
class Dis:
    """OpenCV's DIS, preset FAST, finest scale 0 (full resolution), three refinements, a patch every 5 px, smoothed."""

    error_px: ClassVar[float] = 0.15
    preset: ClassVar[int] = cv2.DISOPTICAL_FLOW_PRESET_FAST
    num_refinements: ClassVar[int] = NUM_REFINEMENTS
    patch_stride_px: ClassVar[int] = PATCH_STRIDE_PX
    smoothing_px: ClassVar[float] = SMOOTHING_PX  # deviation of the Gaussian over the field; 0: none

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self._solver = self._new_solver()

    def estimate(self, previous: Gray, following: Gray) -> Flow:
        """Return the displacement (see :class:`varml.flow.estimator.FlowEstimator`)."""
        height, width = previous.shape
        pad = [(0, max(MIN_SIDE_PX - height, 0)), (0, max(MIN_SIDE_PX - width, 0))]
        first, second = np.pad(previous, pad, mode="edge"), np.pad(following, pad, mode="edge")
        if first.shape != self._shape:
            self._shape, self._solver = first.shape, self._new_solver()
        flow = self._solver.calc(first, second, None)[:height, :width]
        smooth = cv2.GaussianBlur(flow, (0, 0), self.smoothing_px) if self.smoothing_px else flow
        return np.asarray(smooth, dtype=np.float32)

    def _new_solver(self) -> cv2.DISOpticalFlow:
        """Return OpenCV's object for one size: a smaller image would change its scales for good.

        Kept from pair to pair it has its buffers already, which is a quarter of the time.
        """
        solver = cv2.DISOpticalFlow.create(self.preset)
        solver.setFinestScale(0)
        solver.setVariationalRefinementIterations(self.num_refinements)
        solver.setPatchStride(self.patch_stride_px)
        return solver
