"""The loader that one writes by hand: a JPEG file per image and torchvision's transforms, drawn once a clip.

It does the work of :mod:`varml.training.clips` at strength 1, in the same order, on images of the same sizes, but for
changes of time, which cost next to nothing.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from varml.ground.torchvision_shim import import_torchvision

import_torchvision()

from torchvision.transforms import v2  # noqa: E402
from torchvision.transforms.v2 import InterpolationMode, functional  # noqa: E402

BOUND_PX = 16.0


@dataclass(frozen=True)
class Files:
    """The JPEG files of one clip: a colour image for each segment, a gray one of u above v for each step."""

    frames: list[Path]
    flow: list[Path]


class BareClips(Dataset[tuple[Tensor, Tensor]]):
    """Clips as (S, 3, H, W) and (S, 2, H, W) float32, changed at random."""

    def __init__(self, clips: list[Files]) -> None:
        self._clips = clips
        self._colour = v2.Compose(
            [
                v2.RandomApply([v2.GaussianBlur(13, (0.3, 2.0))], 0.5),
                v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
                v2.RandomGrayscale(0.2),
            ]
        )

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """Read and change one clip."""
        files = self._clips[position]
        rgb = np.stack([_read(file, cv2.IMREAD_COLOR_RGB) for file in files.frames])
        flow = np.stack([_displacements(file) for file in files.flow])
        images = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
        placed, vectors = self._placed(images, torch.from_numpy(flow))
        return self._colour(placed), vectors

    def _placed(self, rgb: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        if random.random() < 0.5:
            rgb, flow = functional.horizontal_flip(rgb), functional.horizontal_flip(flow) * _factors(-1, 1)
        size = height, width = rgb.shape[-2:]
        top, left, tall, wide = v2.RandomResizedCrop(size, scale=(0.5, 1)).make_params([rgb]).values()
        rgb, flow = (functional.resized_crop(x, top, left, tall, wide, list(size)) for x in (rgb, flow))
        flow = flow * _factors(width / wide, height / tall)
        turn, slant = random.uniform(-15, 15), random.uniform(-10, 10)
        for angle, shear in ((turn, 0.0), (0.0, slant)):
            rgb, flow = (_affine(x, angle, shear) for x in (rgb, flow))
            flow = torch.einsum("ij,sjhw->sihw", _matrix(angle, shear), flow)
        if random.random() < 0.25:
            tall, wide = round(height * random.uniform(0.2, 0.5)), round(width * random.uniform(0.2, 0.5))
            top, left = random.randint(0, height - tall), random.randint(0, width - wide)
            rgb, flow = (functional.erase(x, top, left, tall, wide, torch.tensor(0.0)) for x in (rgb, flow))
        return rgb, flow


def _read(file: Path, flags: int) -> npt.NDArray[np.uint8]:
    image = cv2.imread(str(file), flags)
    assert image is not None
    return image.astype(np.uint8, copy=False)


def _displacements(file: Path) -> npt.NDArray[np.float32]:
    curve = (_read(file, cv2.IMREAD_GRAYSCALE).astype(np.float32) - 128) / 127
    u, v = np.split(np.sign(curve) * curve**2 * BOUND_PX, 2)
    return np.stack([u, v])


def _affine(images: Tensor, angle: float, shear: float) -> Tensor:
    return functional.affine(images, angle, [0, 0], 1.0, [shear, 0.0], interpolation=InterpolationMode.BILINEAR)


def _matrix(angle: float, shear: float) -> Tensor:
    turn, slant = math.radians(angle), math.tan(math.radians(shear))
    cos, sin = math.cos(turn), math.sin(turn)
    return torch.tensor([[cos, -sin - cos * slant], [sin, cos - sin * slant]])


def _factors(x: float, y: float) -> Tensor:
    return torch.tensor([x, y], dtype=torch.float32).view(2, 1, 1)
