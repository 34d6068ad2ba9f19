"""Out of focus."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import ClassVar

import torch
from torch import Tensor

from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.functional import functional
from varml.video.transforms.transform import Kind, happens, transforms, uniform

PROBABILITY = 0.5
MIN_SIGMA_PX, MAX_SIGMA_PX = 0.3, 2.0


@transforms.register("blur")
class Blur:
    """Blurs half of the clips by a Gaussian of up to 2 px at strength 1, and fewer and less at less."""

    kind: ClassVar[Kind] = "colour"

    def __call__(self, clip: ClipTensors, strength: float, generator: torch.Generator) -> ClipTensors:
        """Return ``clip``, perhaps blurred (see :class:`varml.video.transforms.transform.ClipTransform`)."""
        largest = MIN_SIGMA_PX + strength * (MAX_SIGMA_PX - MIN_SIGMA_PX)
        blurs, sigma_px = happens(PROBABILITY * strength, generator), uniform(MIN_SIGMA_PX, largest, generator)
        return replace(clip, rgb=blurred(clip.rgb, sigma_px)) if blurs else clip


def blurred(rgb: Tensor, sigma_px: float) -> Tensor:
    """Return (S, F, 3, H, W) blurred by a Gaussian that is cut at 3 ``sigma_px``, or at the size of the picture."""
    # A picture is reflected at its border, and has no more to reflect than itself.
    radius = min(ceil(3 * sigma_px), min(rgb.shape[-2:]) - 1)
    return functional.gaussian_blur(rgb, [2 * radius + 1] * 2, [sigma_px] * 2)
