"""Stored flow as images for a backbone whose weights have seen photographs only.

``direction`` shows u, v and the magnitude as three colours: where to, and how fast. ``magnitude`` shows how fast as a
gray image, black where nothing moves: moving bodies then look like bodies, which such a backbone knows. ``both`` gives
the two images for each step, at twice the time. ``stack`` lays u and v of all steps of a segment over each other, as
one image of 2(F-1) channels, after Simonyan and Zisserman, "Two-Stream Convolutional Networks for Action Recognition in
Videos", 2014, arXiv:1406.2199; the backbone is then one of its own, with weights adapted to so many channels.
All lie on the stored square-root curve.
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
    """Return flow (S, F-1, 2H, W, 1) uint8 as images (T, C, H, W) float from 0 to 1, in the order of time.

    T is S*(F-1) and C is 3. With ``both`` T is twice that, and the direction of each step comes before its magnitude.
    With ``stack`` T is S and C is 2(F-1): u and v of the first step, u and v of the second, ...
    """
    curve = torch.from_numpy(unit_curve(packed_flow)).permute(0, 1, 4, 2, 3)  # (S, F-1, 2, H, W)
    if kind == "stack":
        return _colours(_stronger(curve)).flatten(1, 2)
    kinds = ("direction", "magnitude") if kind == "both" else (kind,)
    return torch.stack([_IMAGES[one](curve.flatten(0, 1)) for one in kinds], dim=1).flatten(0, 1)


def flow_channels(kind: FlowImages, frames_per_segment: int) -> int:
    """Return C, the number of channels of :func:`flow_images` for so many frames of a segment."""
    return 2 * (frames_per_segment - 1) if kind == "stack" else 3


def num_flow_images(kind: FlowImages, num_segments: int, frames_per_segment: int) -> int:
    """Return T, the number of :func:`flow_images` of a video."""
    if kind == "stack":
        return num_segments
    return num_segments * (frames_per_segment - 1) * (2 if kind == "both" else 1)


def standardise_flow(images: Tensor) -> Tensor:
    """Return :func:`flow_images`, (T, C, H, W) from 0 to 1, as values from -1 to 1; u and v at rest are 0."""
    return (images - MEAN) / STD


def _direction(curve: Tensor) -> Tensor:
    """Return u and v with rest at 0.5, and the magnitude with rest at 0."""
    stronger = _stronger(curve)
    return torch.cat([_colours(stronger), _length(stronger)], dim=1)


def _colours(displacement: Tensor) -> Tensor:
    return displacement / 2 + 0.5


def _stronger(curve: Tensor) -> Tensor:
    return (DIRECTION_GAIN * curve).clamp(-1, 1)


def _magnitude(curve: Tensor) -> Tensor:
    return _length(curve).expand(-1, 3, -1, -1)


def _length(curve: Tensor) -> Tensor:
    return curve.norm(dim=1, keepdim=True) / 2**0.5  # (T, 1, H, W), 1 where u and v are at the bound


_IMAGES = {"direction": _direction, "magnitude": _magnitude}
