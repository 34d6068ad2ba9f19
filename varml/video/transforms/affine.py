"""Affine maps of the picture about its middle, of frames and of the vectors between them."""

from __future__ import annotations

from math import cos, radians, sin, tan

import torch
from torch import Tensor

from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.functional import InterpolationMode, functional


def affine(clip: ClipTensors, clockwise_deg: float = 0.0, shear_deg: float = 0.0) -> ClipTensors:
    """Return ``clip`` sheared along x, then turned; what comes in from outside is black and at rest.

    Frames and flow are carried to the same places, and the vectors are mapped by the same matrix
    (torchvision.transforms.v2.functional.affine: x' = x - y tan(shear), then a clockwise turn, y pointing down).
    """
    matrix = _matrix(clockwise_deg, shear_deg)
    vectors = torch.einsum("ij,sfjhw->sfihw", matrix, clip.flow)
    return clip.with_images(*(_carried(images, clockwise_deg, shear_deg) for images in (clip.rgb, vectors)))


def _matrix(clockwise_deg: float, shear_deg: float) -> Tensor:
    turn, slant = radians(clockwise_deg), tan(radians(shear_deg))
    rotation = torch.tensor([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]])
    return rotation @ torch.tensor([[1.0, -slant], [0.0, 1.0]])


def _carried(images: Tensor, clockwise_deg: float, shear_deg: float) -> Tensor:
    return functional.affine(
        images, clockwise_deg, [0, 0], 1.0, [shear_deg, 0.0], interpolation=InterpolationMode.BILINEAR
    )
