"""Two clips laid over each other, and their labels with them.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2017, arXiv:1710.09412.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.transform import uniform

LARGEST_SHARE = 0.5


def mixup(clips: Sequence[ClipTensors], strength: float, generator: torch.Generator) -> list[ClipTensors]:
    """Return each clip with a share of another one of ``clips`` laid over it, up to half of it at ``strength`` 1.

    All must have the same shapes and classes. At strength 0 nothing changes. All randomness comes from ``generator``.
    """
    if strength == 0:
        return list(clips)
    partners = torch.randperm(len(clips), generator=generator).tolist()
    return [
        mixed(clip, clips[partner], strength * uniform(0, LARGEST_SHARE, generator))
        for clip, partner in zip(clips, partners, strict=True)
    ]


def mixed(clip: ClipTensors, other: ClipTensors, share: float) -> ClipTensors:
    """Return ``clip`` with ``share`` of ``other``, from 0 to 1: of its frames, its displacements and its label."""
    return replace(
        clip,
        rgb=torch.lerp(clip.rgb, other.rgb, share),
        flow=torch.lerp(clip.flow, other.flow, share),
        label=torch.lerp(clip.label, other.label, share),
    )
