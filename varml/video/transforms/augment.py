"""All registered transforms, one after the other, under one number."""

from __future__ import annotations

from typing import get_args

import torch

from varml.errors import ConfigError, Fault
from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.transform import ClipTransform, Kind, transforms


def augment(clip: ClipTensors, strength: float, generator: torch.Generator) -> ClipTensors:
    """Return ``clip`` changed by every registered transform, with ``strength`` from 0 (not at all) to 1.

    Times are changed first, then places, what hides them, and colours; within a kind the order is alphabetical.
    ``generator`` is a CPU one and the only source of randomness. Raises ValueError where ``strength`` is out of range.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"the strength of augmentation is {strength:g}; it must be from 0 to 1")
    if strength == 0:
        return clip
    for transform in in_order():
        clip = transform(clip, strength, generator)
    return clip


def in_order() -> list[ClipTransform]:
    """Return one of each registered transform, in the order in which they act.

    Raises ConfigError where one is of no kind.
    """
    kinds = get_args(Kind)
    for name in transforms.names():
        if transforms[name].kind not in kinds:
            raise ConfigError(
                [Fault(f"the clip transform {name}", transforms[name].kind, f"its kind must be {', '.join(kinds)}")]
            )
    made = [transforms[name]() for name in transforms.names()]
    return sorted(made, key=lambda transform: kinds.index(transform.kind))
