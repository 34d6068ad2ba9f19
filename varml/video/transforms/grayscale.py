"""Without colour."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch

from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.functional import functional
from varml.video.transforms.transform import Kind, happens, transforms

PROBABILITY = 0.2


@transforms.register("grayscale")
class Grayscale:
    """Takes the colour out of every fifth clip at strength 1, and of fewer at less."""

    kind: ClassVar[Kind] = "colour"

    def __call__(self, clip: ClipTensors, strength: float, generator: torch.Generator) -> ClipTensors:
        """Return ``clip``, perhaps gray (see :class:`varml.video.transforms.transform.ClipTransform`)."""
        if not happens(PROBABILITY * strength, generator):
            return clip
        return replace(clip, rgb=functional.rgb_to_grayscale(clip.rgb, num_output_channels=3))
