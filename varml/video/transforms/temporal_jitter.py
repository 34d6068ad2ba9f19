"""Other moments of the same video: each segment may show what its neighbour showed."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.transform import Kind, transforms

PROBABILITY = 0.5


@transforms.register("temporal_jitter")
class TemporalJitter:
    """Moves half of the segments by one place at strength 1, and fewer at less; time never runs backwards."""

    kind: ClassVar[Kind] = "time"

    def __call__(self, clip: ClipTensors, strength: float, generator: torch.Generator) -> ClipTensors:
        """Return ``clip`` with segments moved (see :class:`varml.video.transforms.transform.ClipTransform`)."""
        places = draw_places(len(clip.rgb), PROBABILITY * strength, generator)
        return clip.with_images(clip.rgb[places], clip.flow[places])


def draw_places(num_segments: int, probability: float, generator: torch.Generator) -> Tensor:
    """Return which segment stands at each place, (S,) int64 ascending, each with ``probability`` a neighbour's."""
    moves = torch.rand(num_segments, generator=generator) < probability
    steps = torch.where(torch.rand(num_segments, generator=generator) < 0.5, -1, 1)
    places = torch.arange(num_segments) + moves * steps
    return places.clamp(0, num_segments - 1).cummax(0).values
