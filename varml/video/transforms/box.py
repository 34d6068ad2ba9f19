"""Rectangles in a picture."""

from __future__ import annotations

from typing import NamedTuple

import torch

from varml.video.transforms.transform import uniform


class Box(NamedTuple):
    """A part of the picture, in pixels from its upper left corner."""

    top: int
    left: int
    height: int
    width: int


def box_of_shares(size_px: tuple[int, int], shares: tuple[float, float], generator: torch.Generator) -> Box:
    """Return a box at a random place that has these shares, over 0 to 1, of the picture's height and width."""
    height, width = (max(1, round(full * share)) for full, share in zip(size_px, shares, strict=True))
    top = round(uniform(0, size_px[0] - height, generator))
    left = round(uniform(0, size_px[1] - width, generator))
    return Box(top, left, height, width)
