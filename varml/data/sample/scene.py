"""What surrounds the figure: a still background, and a camera that is not held quite still."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from varml.data.sample.person import Colour

Image = NDArray[np.uint8]

NUM_SHAKE_WAVES = 6
# Shake channels: x and y in shares of the frame height, rotation in degrees, zoom as a share of 1.
SHAKE_STRENGTHS = np.array([0.015, 0.015, 0.6, 0.008])
# The picture is enlarged a little, so that the shake seldom shows what lies past its border.
BASE_ZOOM = 1.03


@dataclass(frozen=True)
class Shake:
    """A camera's unsteadiness as a sum of slow waves: amplitude, rate and phase of each, (4 channels, waves).

    Waves of random phase look the same in both directions of time, so that the camera does not tell a
    motion from its reversal; a random walk that starts at rest would.
    """

    amplitudes: NDArray[np.float64]
    rates_hz: NDArray[np.float64]
    phases: NDArray[np.float64]

    def matrix_at(self, time_sec: float, width: int, height: int) -> NDArray[np.float64]:
        """Return the (2, 3) affine map of a frame of ``width`` x ``height`` pixels at ``time_sec``."""
        waves = self.amplitudes * np.sin(2 * np.pi * self.rates_hz * time_sec + self.phases)
        shift_x, shift_y, degrees, zoom = waves.sum(axis=1)
        matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, BASE_ZOOM + zoom))
        matrix[:, 2] += (shift_x * height, shift_y * height)
        return matrix


def draw_shake(rng: np.random.Generator) -> Shake:
    """Draw a shake whose slow waves are the large ones, as in a hand-held camera."""
    rates_hz = rng.uniform(0.15, 2.0, size=(4, NUM_SHAKE_WAVES))
    strength = rng.uniform(0.2, 1.0) * SHAKE_STRENGTHS[:, None]
    amplitudes = strength * rng.normal(size=rates_hz.shape) / (1 + 2 * rates_hz)
    return Shake(amplitudes, rates_hz, rng.uniform(0, 2 * np.pi, size=rates_hz.shape))


def draw_background(rng: np.random.Generator, width: int, height: int, ground_y: float) -> Image:
    """Draw a wall and a floor that meet at a horizon above ``ground_y``: (height, width, 3) RGB uint8."""
    picture = np.empty((height, width, 3))
    horizon = int(ground_y - height * rng.uniform(0.05, 0.25))
    picture[:horizon] = _gradient(rng, horizon, width)
    picture[horizon:] = _gradient(rng, height - horizon, width)
    picture = _with_blurred_shapes(rng, picture)
    picture += _smooth_noise(rng, width, height)
    return np.asarray(picture.clip(0, 255), dtype=np.uint8)


def draw_stool(picture: Image, seat: tuple[float, float], half_width: float, height: float, colour: Colour) -> None:
    """Draw a stool onto ``picture``; ``seat`` is the middle of its top (x, y), all in pixels."""
    x, y = seat
    depth = half_width * 0.35
    body = np.array(
        [[x - half_width, y], [x + half_width, y], [x + half_width, y + height], [x - half_width, y + height]]
    )
    dark = tuple(int(0.6 * channel) for channel in colour)
    cv2.fillConvexPoly(picture, body.round().astype(np.int32), dark, cv2.LINE_AA)
    for centre_y, shade in ((y + height, dark), (y, colour)):
        cv2.ellipse(
            picture,
            (round(x), round(centre_y)),
            (round(half_width), round(depth)),
            0,
            0,
            360,
            shade,
            -1,
            cv2.LINE_AA,
        )


def _gradient(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """Blend four muted corner colours; bright ones are left to the clothes."""
    base = rng.uniform(60, 200)
    corners = base + rng.uniform(-30, 30, size=(2, 2, 3))
    return np.asarray(cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR))


def _with_blurred_shapes(rng: np.random.Generator, picture: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = picture.shape[:2]
    layer = picture.copy()
    for _ in range(rng.integers(3, 7)):
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        axes = (int(height * rng.uniform(0.05, 0.25)), int(height * rng.uniform(0.05, 0.25)))
        cv2.ellipse(layer, centre, axes, rng.uniform(0, 180), 0, 360, rng.uniform(50, 210, size=3).tolist(), -1)
    blurred = cv2.GaussianBlur(layer, (0, 0), sigmaX=height * rng.uniform(0.01, 0.05))
    return np.asarray(0.4 * picture + 0.6 * blurred)


def _smooth_noise(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    """Add up noise of several grain sizes; each finer grain is weaker."""
    noise = np.zeros((height, width, 1))
    strength = rng.uniform(10, 26)
    for octave in range(4):
        grid = rng.normal(size=(3 * 2**octave, 4 * 2**octave))
        noise[..., 0] += strength / 1.8**octave * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return noise
