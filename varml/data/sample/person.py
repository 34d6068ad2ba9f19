"""A person: the body, the colours and the pace that all videos of one group share."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from varml.data.sample.figure import Body

Colour = tuple[int, int, int]

SKIN_TONES: tuple[Colour, ...] = (
    (241, 205, 178),
    (222, 172, 134),
    (186, 128, 90),
    (132, 86, 58),
    (92, 60, 42),
)
HAIR_TONES: tuple[Colour, ...] = ((36, 28, 24), (84, 56, 36), (150, 108, 60), (188, 186, 184), (132, 60, 34))


@dataclass(frozen=True)
class Person:
    """What tells one person from another; colours are RGB, 0 to 255."""

    body: Body
    stature: float  # body height relative to other persons
    pace: float  # speed of all motions relative to other persons
    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour


def draw_person(rng: np.random.Generator) -> Person:
    """Draw a person's traits."""
    return Person(
        body=_draw_body(rng),
        stature=rng.uniform(0.9, 1.08),
        pace=rng.uniform(0.85, 1.15),
        skin=SKIN_TONES[rng.integers(len(SKIN_TONES))],
        hair=HAIR_TONES[rng.integers(len(HAIR_TONES))],
        shirt=_colour(rng.uniform(), rng.uniform(0.55, 0.95), rng.uniform(0.55, 1.0)),
        trousers=_colour(rng.uniform(), rng.uniform(0.25, 0.8), rng.uniform(0.15, 0.5)),
        shoes=_colour(rng.uniform(), rng.uniform(0.0, 0.9), rng.choice([0.12, 0.9])),
    )


def _draw_body(rng: np.random.Generator) -> Body:
    leg = rng.uniform(0.44, 0.5)
    thigh_share = rng.uniform(0.48, 0.54)
    arm = rng.uniform(0.33, 0.39)
    bulk = rng.uniform(0.85, 1.3)
    return Body(
        shin=leg * (1 - thigh_share),
        thigh=leg * thigh_share,
        trunk=rng.uniform(0.29, 0.34),
        upper_arm=arm * 0.52,
        forearm=arm * 0.48,
        shoulder_half_width=rng.uniform(0.1, 0.125) * bulk**0.5,
        hip_half_width=rng.uniform(0.052, 0.065) * bulk**0.5,
        head_radius=rng.uniform(0.062, 0.075),
        leg_thickness=rng.uniform(0.075, 0.09) * bulk,
        arm_thickness=rng.uniform(0.052, 0.062) * bulk,
    )


def _colour(hue: float, saturation: float, value: float) -> Colour:
    """Convert hue, saturation and value, each 0 to 1, into RGB."""
    hsv = np.array([[[hue * 360, saturation, value]]], dtype=np.float32)
    red, green, blue = (int(channel) for channel in cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0] * 255)
    return red, green, blue
