"""Clips laid over each other, and their labels with them.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2017, arXiv:1710.09412.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from varml.video.transforms.transform import uniform

LARGEST_SHARE = 0.5


class Mix(NamedTuple):
    """What is laid over a clip: the clip at position ``partner`` of the same batch, with ``share`` from 0 to 1."""

    partner: int
    share: float


def draw_mixes(num_clips: int, strength: float, generator: torch.Generator) -> list[Mix]:
    """Return the mix of each clip of a batch, its share up to a half at ``strength`` 1 and none at 0.

    All randomness comes from ``generator``.
    """
    partners = torch.randperm(num_clips, generator=generator).tolist()
    return [Mix(partner, strength * uniform(0, LARGEST_SHARE, generator)) for partner in partners]


def mixed(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Return ``one`` with ``share`` of ``other``: of images as a network sees them, or of labels (K,).

    Both have the same shape. A share of 0 returns ``one`` itself.
    """
    return torch.lerp(one, other, share) if share else one
