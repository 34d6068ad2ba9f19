"""What a transform of clips is."""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

import torch

from varml.ground.registry import Registry
from varml.video.transforms.clip_tensors import ClipTensors

# What a transform changes: when frames are taken; where things are, in frames and flow alike; what hides them; the
# colours of frames alone.
Kind = Literal["time", "place", "cover", "colour"]


class ClipTransform(Protocol):
    """A random change of one clip; shapes, dtypes and the number of classes stay."""

    kind: ClassVar[Kind]

    def __call__(self, clip: ClipTensors, strength: float, generator: torch.Generator) -> ClipTensors:
        """Return ``clip`` changed by at most ``strength``, over 0 to 1, alike on all frames.

        All randomness is drawn from ``generator``: the same state gives the same clip. ``clip`` itself stays as it is.
        """
        ...


transforms: Registry[type[ClipTransform]] = Registry("clip transform", "varml.video.transforms")


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """Return a number drawn evenly from ``low`` to ``high``."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def happens(probability: float, generator: torch.Generator) -> bool:
    """Return True with ``probability``."""
    return uniform(0, 1, generator) < probability
