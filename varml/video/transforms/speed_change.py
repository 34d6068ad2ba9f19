"""The same action, faster or slower.

Segments are equal slices of a video, so that its speed does not move them; it changes how far things go between the
frames of a segment.
"""

from __future__ import annotations

from math import exp, log
from typing import ClassVar

import torch
from torch import Tensor

from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.transform import Kind, transforms, uniform

LARGEST_SPEED = 1.5


@transforms.register("speed_change")
class SpeedChange:
    """Plays a clip up to one and a half times as fast or as slow at strength 1."""

    kind: ClassVar[Kind] = "time"

    def __call__(self, clip: ClipTensors, strength: float, generator: torch.Generator) -> ClipTensors:
        """Return ``clip`` at another speed (see :class:`varml.video.transforms.transform.ClipTransform`)."""
        return played(clip, exp(strength * uniform(-log(LARGEST_SPEED), log(LARGEST_SPEED), generator)))


def played(clip: ClipTensors, speed: float) -> ClipTensors:
    """Return what is stored of the same video played ``speed`` times as fast, its motion even between stored frames.

    Displacements grow by ``speed``. Each frame is the stored one nearest to its new time, which lies ``speed`` times as
    far from the middle of the segment; where that is outside, the first or the last.
    """
    return clip.with_images(_taken(clip.rgb, speed), _taken(clip.flow, speed) * speed)


def _taken(images: Tensor, speed: float) -> Tensor:
    # One of a kind stays where it is, and to copy it would take as long as to turn it.
    return images[:, _nearest(images.shape[1], speed)] if images.shape[1] > 1 else images


def _nearest(length: int, speed: float) -> Tensor:
    middle = (length - 1) / 2
    # A hair less, so that of two as near the one nearer to the middle is taken, on both sides.
    places = middle + (speed - 1e-6) * (torch.arange(length) - middle)
    return places.round().long().clamp(0, length - 1)
