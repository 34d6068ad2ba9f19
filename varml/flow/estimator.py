"""What a flow estimator is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from varml.errors import FlowError, WeightsError
from varml.ground.paths import project_root
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


class PretrainedEstimator(ABC):
    """A flow estimator with weights, from the file that ``flow.weights`` names for it, else from its own place.

    A new instance raises WeightsError where they cannot be had; random ones never take their place.
    """

    error_px: ClassVar[float]

    @abstractmethod
    def __init__(self, weights: Path | None = None) -> None: ...

    @abstractmethod
    def estimate(self, previous: Gray, following: Gray) -> Flow:
        """Return the displacement (see :class:`FlowEstimator`)."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return its weights as tensors by name, which a safetensors file can give to a new instance."""

    @classmethod
    @abstractmethod
    def weights_identity(cls, weights: Path | None) -> str:
        """Return text that changes when the weights would, without loading them."""


estimators: Registry[type[FlowEstimator]] = Registry("flow estimator", "varml.flow.estimators")


def make_estimator(name: str, weights: Mapping[str, str] | None = None) -> FlowEstimator:
    """Return a new instance of the estimator ``name``.

    ``weights`` maps estimators to files, relative to the project. Raises KeyError where none has that name, and
    WeightsError where its weights cannot be had.
    """
    kind = estimators[name]
    return kind(_named_file(name, weights or {})) if issubclass(kind, PretrainedEstimator) else kind()


def weights_identity(name: str, weights: Mapping[str, str]) -> str | None:
    """Return text that changes when the weights of the estimator would; None where it has none."""
    kind = estimators[name]
    return kind.weights_identity(_named_file(name, weights)) if issubclass(kind, PretrainedEstimator) else None


def estimator_state(name: str, weights: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the weights of the estimator, for a model to carry; None where it has none."""
    estimator = make_estimator(name, weights)
    return estimator.state_dict() if isinstance(estimator, PretrainedEstimator) else None


def estimate_flow(frames: RgbFrames, name: str, weights: Mapping[str, str] | None = None) -> Flow:
    """Return the flow inside each segment: (S, F, H, W, 3) uint8 RGB gives (S, F-1, H, W, 2) float32 px.

    Raises FlowError where the estimator gives values that are not finite, or of another shape.
    """
    estimator = make_estimator(name, weights)
    gray = [[cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in segment] for segment in frames]
    flow = [[_checked(estimator.estimate(a, b), a, name) for a, b in pairwise(segment)] for segment in gray]
    return np.asarray(flow, dtype=np.float32)


def _checked(flow: Flow, image: Gray, name: str) -> Flow:
    """Return ``flow``; raises FlowError where it is none: stored as such, it would be motion that nobody made."""
    if flow.shape != (*image.shape, 2):
        raise FlowError(
            f"{name} gives flow of shape {flow.shape} for images of {image.shape}; it must be (H, W, 2): mend it or "
            "choose another flow.estimator"
        )
    if not np.isfinite(flow).all():
        raise FlowError(
            f"{name} gives flow with NaN or infinite values; all must be finite: mend it or its weights, or choose "
            "another flow.estimator"
        )
    return flow


def _named_file(name: str, weights: Mapping[str, str]) -> Path | None:
    if name not in weights:
        return None
    path = project_root() / weights[name]
    if not path.is_file():
        raise WeightsError(f"flow.weights names {weights[name]!r} for {name}, which is no file; correct it")
    return path
