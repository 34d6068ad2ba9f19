"""Textured images, and the same images moved."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

Gray = np.ndarray


def texture(height: int, width: int, seed: int = 0) -> Gray:
    """Return (height, width) uint8: blurred noise over the full range."""
    noise = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2)
    low, high = blurred.min(), blurred.max()
    return ((blurred - low) / max(high - low, 1e-6) * 255).astype(np.uint8)


def moved(image: Gray, x: float, y: float) -> Gray:
    """Return ``image`` with all it shows moved ``x`` px to the right and ``y`` px down."""
    height, width = image.shape[:2]
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


@pytest.fixture
def make_texture() -> Callable[..., Gray]:
    """A function from height, width and seed to an image."""
    return texture


@pytest.fixture
def move() -> Callable[[Gray, float, float], Gray]:
    """A function from an image, x and y to the image moved."""
    return moved


@pytest.fixture
def frames() -> np.ndarray:
    """Two segments of three frames, (2, 3, 64, 80, 3): the first moves right by 2 px a step, the second up by 1 px."""
    image = texture(64, 80)
    segments = [[moved(image, 2 * step, 0) for step in range(3)], [moved(image, 0, -step) for step in range(3)]]
    return np.repeat(np.asarray(segments)[..., None], 3, axis=-1)


@pytest.fixture(scope="session", params=["china.jpg", "flower.jpg"])
def photo(request: pytest.FixtureRequest) -> Gray:
    """A photograph, (160, 240) uint8: a temple under a plain sky, or a flower before a blurred ground."""
    gray = cv2.cvtColor(load_sample_image(request.param), cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, (240, 160), interpolation=cv2.INTER_AREA)
