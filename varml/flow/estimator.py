"""What a flow estimator is."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from varml.ground.registry import Registry

Gray = npt.NDArray[np.uint8]  # (H, W)
Flow = npt.NDArray[np.float32]  # (..., H, W, 2), px, x then y
RgbFrames = npt.NDArray[np.uint8]  # (..., F, H, W, 3)


class FlowEstimator(Protocol):
    """Dense displacement between two images; a new instance serves one resolution.

    ``error_px`` is the mean end-point error that it keeps to on a photograph that was shifted, turned or zoomed by a
    few pixels; the contract suite holds it to that.
    """

    error_px: ClassVar[float]

    def estimate(self, previous: Gray, following: Gray) -> Flow:
        """Return (H, W, 2) float32: where each pixel of ``previous`` went, x then y, in pixels.

        The same pair gives the same flow whatever was computed before it.
        """
        ...


estimators: Registry[type[FlowEstimator]] = Registry("flow estimator", "varml.flow.estimators")


def estimate_flow(frames: RgbFrames, name: str) -> Flow:
    """Return the flow inside each segment: (S, F, H, W, 3) uint8 RGB gives (S, F-1, H, W, 2) float32 px."""
    estimator = estimators[name]()
    gray = [[cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in segment] for segment in frames]
    flow = [[estimator.estimate(a, b) for a, b in pairwise(segment)] for segment in gray]
    return np.asarray(flow, dtype=np.float32)
