"""The picture turned about its middle."""

from __future__ import annotations

from typing import ClassVar

import torch

from varml.video.transforms.affine import affine
from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.transform import Kind, transforms, uniform

MAX_DEG = 15.0


@transforms.register("rotation")
class Rotation:
    """Turns by up to 15 degrees to either side at strength 1."""

    kind: ClassVar[Kind] = "place"

    def __call__(self, clip: ClipTensors, strength: float, generator: torch.Generator) -> ClipTensors:
        """Return ``clip`` turned (see :class:`varml.video.transforms.transform.ClipTransform`)."""
        return affine(clip, clockwise_deg=strength * uniform(-MAX_DEG, MAX_DEG, generator))
