"""Other light: brightness, contrast, saturation and hue."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.functional import functional
from varml.video.transforms.transform import Kind, transforms, uniform

MAX_CHANGE = 0.4  # of brightness, contrast and saturation, as a share
MAX_HUE = 0.1  # of the circle of hues


@transforms.register("colour_jitter")
class ColourJitter:
    """Changes brightness, contrast and saturation by up to 40% and hue by up to a tenth of its circle at strength 1."""

    kind: ClassVar[Kind] = "colour"

    def __call__(self, clip: ClipTensors, strength: float, generator: torch.Generator) -> ClipTensors:
        """Return ``clip`` in other colours (see :class:`varml.video.transforms.transform.ClipTransform`)."""
        limits = {"brightness": MAX_CHANGE, "contrast": MAX_CHANGE, "saturation": MAX_CHANGE, "hue": MAX_HUE}
        changes = {name: strength * uniform(-limit, limit, generator) for name, limit in limits.items()}
        return replace(clip, rgb=recoloured(clip.rgb, **changes))


def recoloured(rgb: Tensor, brightness: float, contrast: float, saturation: float, hue: float) -> Tensor:
    """Return (S, F, 3, H, W) from 0 to 1 with its colours changed; equal colours stay equal, in whatever frame.

    Brightness, contrast and saturation grow by these shares, over -1; ``hue`` turns by this part of its circle.
    """
    # One tall image: contrast is measured from the mean gray, which would else be another one in each frame.
    tall = rgb.movedim(2, 0).flatten(1, 3)  # (3, S * F * H, W)
    tall = functional.adjust_brightness(tall, 1 + brightness)
    tall = functional.adjust_contrast(tall, 1 + contrast)
    tall = functional.adjust_saturation(tall, 1 + saturation)
    tall = functional.adjust_hue(tall, hue)
    return tall.unflatten(1, (*rgb.shape[:2], -1)).movedim(0, 2)
