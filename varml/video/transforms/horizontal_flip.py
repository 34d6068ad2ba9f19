"""The clip in a mirror."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch

from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.functional import functional
from varml.video.transforms.transform import Kind, happens, transforms

PROBABILITY = 0.5


@transforms.register("horizontal_flip")
class HorizontalFlip:
    """Mirrors left and right in half of the clips at strength 1, and in fewer at less."""

    kind: ClassVar[Kind] = "place"

    def __call__(self, clip: ClipTensors, strength: float, generator: torch.Generator) -> ClipTensors:
        """Return ``clip`` or its mirror image (see :class:`varml.video.transforms.transform.ClipTransform`)."""
        return mirrored(clip) if happens(PROBABILITY * strength, generator) else clip


def mirrored(clip: ClipTensors) -> ClipTensors:
    """Return the mirror image: u changes its sign, and the label becomes that of the mirrored class."""
    flow = functional.horizontal_flip(clip.flow) * torch.tensor([-1.0, 1.0]).view(2, 1, 1)
    label = torch.zeros_like(clip.label).index_add(0, clip.mirror, clip.label)
    return replace(clip, rgb=functional.horizontal_flip(clip.rgb), flow=flow, label=label)
