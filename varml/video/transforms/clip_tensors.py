"""A clip as the transforms change it: frames, flow and label in one object, so that none is left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from varml.video.reader import Frames


@dataclass(frozen=True)
class ClipTensors:
    """One clip of S segments of F frames each.

    ``rgb`` is (S, F, 3, H, W) float32 from 0 to 1, or (S, 1, 3, H, W) with the middle frames alone, where the others
    are not looked at. ``flow`` is (S, F-1, 2, H, W) float32: where each pixel of a frame went until the next one, x
    then y, in pixels. ``label`` is (K,) float32, the share of each class, which sums to 1.
    ``mirror`` is (K,) int64: the class that each class becomes in a mirror, mostly itself.
    """

    rgb: Tensor
    flow: Tensor
    label: Tensor
    mirror: Tensor

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width."""
        return self.rgb.shape[-2], self.rgb.shape[-1]

    def with_images(self, rgb: Tensor, flow: Tensor) -> ClipTensors:
        """Return the same clip of other images."""
        return replace(self, rgb=rgb, flow=flow)


def clip_tensors(
    frames: Frames, flow: npt.NDArray[np.float32], label: int, num_classes: int, mirror: Sequence[int] | None = None
) -> ClipTensors:
    """Return stored ``frames``, (S, F or 1, H, W, 3) uint8, and ``flow``, (S, F-1, H, W, 2) float32 px, as tensors.

    ``label`` is the position of its class among ``num_classes``; ``mirror`` is as above, and None where no class has
    another one in a mirror. Raises ValueError where frames and flow do not belong together.
    """
    num_steps = flow.shape[1] if frames.shape[1] == 1 else frames.shape[1] - 1
    if flow.shape != (frames.shape[0], num_steps, *frames.shape[2:4], 2):
        raise ValueError(
            f"flow of shape {flow.shape} does not belong to frames of shape {frames.shape}; (S, F, H, W, 3) have flow "
            "of (S, F-1, H, W, 2)"
        )
    return ClipTensors(
        torch.from_numpy(frames).permute(0, 1, 4, 2, 3).float() / 255,  # (S, F, 3, H, W)
        torch.from_numpy(flow).permute(0, 1, 4, 2, 3).float(),  # (S, F-1, 2, H, W)
        torch.nn.functional.one_hot(torch.tensor(label), num_classes).float(),
        torch.arange(num_classes) if mirror is None else torch.tensor(mirror),
    )
