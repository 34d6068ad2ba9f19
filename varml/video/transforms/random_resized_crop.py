"""A part of the picture at the size of the whole.

Szegedy et al., "Going Deeper with Convolutions", 2014, arXiv:1409.4842.
"""

from __future__ import annotations

from math import exp, log
from typing import ClassVar

import torch

from varml.video.transforms.box import Box, box_of_shares
from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.functional import functional
from varml.video.transforms.transform import Kind, transforms, uniform

LARGEST_CUT = 0.5  # of the area
LARGEST_STRETCH = 4 / 3


@transforms.register("random_resized_crop")
class RandomResizedCrop:
    """Keeps at least half of the area at strength 1, and stretches it by at most 4/3."""

    kind: ClassVar[Kind] = "place"

    def __call__(self, clip: ClipTensors, strength: float, generator: torch.Generator) -> ClipTensors:
        """Return a part of ``clip`` (see :class:`varml.video.transforms.transform.ClipTransform`)."""
        return resized_crop(clip, draw_box(clip.size_px, strength, generator))


def draw_box(size_px: tuple[int, int], strength: float, generator: torch.Generator) -> Box:
    """Return a random part of a picture of height and width ``size_px``, inside of it."""
    side = (1 - strength * uniform(0, LARGEST_CUT, generator)) ** 0.5
    stretch = exp(strength * uniform(-log(LARGEST_STRETCH), log(LARGEST_STRETCH), generator)) ** 0.5
    return box_of_shares(size_px, (min(1, side / stretch), min(1, side * stretch)), generator)


def resized_crop(clip: ClipTensors, box: Box) -> ClipTensors:
    """Return the part ``box`` of ``clip`` at the size of the whole; vectors grow with the picture."""
    height, width = clip.size_px
    rgb, flow = (functional.resized_crop(images, *box, [height, width]) for images in (clip.rgb, clip.flow))
    return clip.with_images(rgb, flow * torch.tensor([width / box.width, height / box.height]).view(2, 1, 1))
