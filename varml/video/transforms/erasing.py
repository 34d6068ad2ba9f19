"""Something still stands before a part of the picture.

Zhong et al., "Random Erasing Data Augmentation", 2017, arXiv:1708.04896.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from varml.video.transforms.box import Box, box_of_shares
from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.functional import functional
from varml.video.transforms.transform import Kind, happens, transforms, uniform

PROBABILITY = 0.25
MIN_SIDE, LARGEST_SIDE = 0.1, 0.5  # of the picture's
GRAY = 0.5


@transforms.register("erasing")
class Erasing:
    """Hides a rectangle of at most half of each side in a quarter of the clips at strength 1, and in fewer at less."""

    kind: ClassVar[Kind] = "cover"

    def __call__(self, clip: ClipTensors, strength: float, generator: torch.Generator) -> ClipTensors:
        """Return ``clip``, perhaps in part hidden (see :class:`varml.video.transforms.transform.ClipTransform`)."""
        return erased(clip, _draw_box(clip.size_px, generator)) if happens(PROBABILITY * strength, generator) else clip


def erased(clip: ClipTensors, box: Box) -> ClipTensors:
    """Return ``clip`` with ``box`` gray in each frame, and at rest in the flow, as what stands still is."""
    rgb, flow = (
        functional.erase(images, *box, torch.tensor(value)) for images, value in ((clip.rgb, GRAY), (clip.flow, 0.0))
    )
    return clip.with_images(rgb, flow)


def _draw_box(size_px: tuple[int, int], generator: torch.Generator) -> Box:
    height, width = (uniform(MIN_SIDE, LARGEST_SIDE, generator) for _ in size_px)
    return box_of_shares(size_px, (height, width), generator)
