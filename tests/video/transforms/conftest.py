"""Clips whose flow is known, because their frames were made by it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch

from varml.video.transforms.clip_tensors import ClipTensors, clip_tensors

NUM_SEGMENTS, FRAMES_PER_SEGMENT, HEIGHT, WIDTH = 4, 3, 72, 96
NUM_CLASSES = 3
# Classes 0 and 2 are mirror images.
MIRROR = [2, 1, 0]
MakeClip = Callable[[int], ClipTensors]


def texture(seed: int) -> np.ndarray:
    """Return (H, W, 3) uint8: blurred coloured noise over the full range."""
    noise = np.random.default_rng(seed).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2)
    return ((blurred - blurred.min()) / np.ptp(blurred) * 255).astype(np.uint8)


def turning(degrees: float) -> np.ndarray:
    """Return the 2 x 3 matrix of a turn about the middle and a shift by (3, 4) px."""
    matrix = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), degrees, 1)
    matrix[:, 2] += (3, 4)
    return matrix


def flow_of(matrix: np.ndarray) -> np.ndarray:
    """Return (H, W, 2) float32: where the affine map carries each pixel, less where it was."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    places = np.stack([x, y], axis=-1).astype(np.float64)
    return (places @ matrix[:, :2].T + matrix[:, 2] - places).astype(np.float32)


@pytest.fixture
def make_clip() -> MakeClip:
    """A function from a seed to a clip of class 0 whose textures shift by (3, 4) px and turn by 2 degrees a step."""

    def make(seed: int) -> ClipTensors:
        matrix, segments = turning(2), []
        for number in range(NUM_SEGMENTS):
            frames = [texture(10 * seed + number)]
            for _ in range(FRAMES_PER_SEGMENT - 1):
                frames.append(cv2.warpAffine(frames[-1], matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC))
            segments.append(frames)
        shape = (NUM_SEGMENTS, FRAMES_PER_SEGMENT - 1, HEIGHT, WIDTH, 2)
        flow = np.broadcast_to(flow_of(matrix), shape).copy()
        return clip_tensors(np.asarray(segments), flow, 0, NUM_CLASSES, MIRROR)

    return make


@pytest.fixture
def clip(make_clip: MakeClip) -> ClipTensors:
    """One such clip."""
    return make_clip(0)


@pytest.fixture
def still() -> ClipTensors:
    """A clip of one frame, repeated."""
    shape = (NUM_SEGMENTS, FRAMES_PER_SEGMENT)
    frames = np.broadcast_to(texture(7), (*shape, HEIGHT, WIDTH, 3)).copy()
    return clip_tensors(frames, np.zeros((shape[0], shape[1] - 1, HEIGHT, WIDTH, 2), np.float32), 0, NUM_CLASSES)


@pytest.fixture
def seeded() -> Callable[[int], torch.Generator]:
    """A function from a seed to a generator."""
    return lambda seed: torch.Generator().manual_seed(seed)
