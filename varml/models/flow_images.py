"""Stored flow as images for a backbone that has seen photographs only.

``direction`` shows u, v and the magnitude as three colours: where to, and how fast. ``magnitude`` shows how fast as a
gray image, black where nothing moves: moving bodies then look like bodies, which such a backbone knows. ``both`` gives
the two images for each step, at twice the time. All lie on the stored square-root curve.
"""

from __future__ import annotations

import torch
from torch import Tensor

from varml.config.params import FlowImages
from varml.flow.store import PackedFlow, unit_curve

# Colours are full at half of the bound already: most motion is far below it. Gray needs the whole range, for a body of
# one flat white has no shape. `benchmarks/results/motion.md` shows what either way does to recognition.
DIRECTION_GAIN = 2**0.5  # on the square-root curve, half of the bound
MEAN, STD = 0.5, 0.5


def flow_images(packed_flow: PackedFlow, kind: FlowImages) -> Tensor:
    """Return flow (S, F-1, 2H, W, 1) uint8 as images (T, 3, H, W) float from 0 to 1, in the order of time.

    T is S*(F-1), and twice that with ``both``, where the direction of each step comes before its magnitude.
    """
    curve = torch.from_numpy(unit_curve(packed_flow)).flatten(0, 1).permute(0, 3, 1, 2)  # (T, 2, H, W)
    kinds = ("direction", "magnitude") if kind == "both" else (kind,)
    return torch.stack([_IMAGES[one](curve) for one in kinds], dim=1).flatten(0, 1)


def standardise_flow(images: Tensor) -> Tensor:
    """Return :func:`flow_images`, (T, 3, H, W) from 0 to 1, as values from -1 to 1; u and v at rest are 0."""
    return (images - MEAN) / STD


def _direction(curve: Tensor) -> Tensor:
    """Return u and v with rest at 0.5, and the magnitude with rest at 0."""
    stronger = (DIRECTION_GAIN * curve).clamp(-1, 1)
    return torch.cat([stronger / 2 + 0.5, _length(stronger)], dim=1)


def _magnitude(curve: Tensor) -> Tensor:
    return _length(curve).expand(-1, 3, -1, -1)


def _length(curve: Tensor) -> Tensor:
    return curve.norm(dim=1, keepdim=True) / 2**0.5  # (T, 1, H, W), 1 where u and v are at the bound


_IMAGES = {"direction": _direction, "magnitude": _magnitude}
