"""Draw a figure's joints as a picture of a person."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from varml.data.sample.figure import Point
from varml.data.sample.person import Colour, Person
from varml.data.sample.scene import Image

# OpenCV takes sub-pixel positions as fixed-point integers.
FRACTION_BITS = 4


@dataclass(frozen=True)
class Camera:
    """A parallel projection from body heights to pixels, from slightly above."""

    origin_x: float
    origin_y: float  # where the ground under the figure is
    scale: float  # pixels per body height
    pitch: float  # radians below the horizontal
    yaw: float  # radians by which the figure is turned

    def project(self, point: Point) -> NDArray[np.float64]:
        """Return the pixel (x, y) of a point (x, y, z) in body heights."""
        x, y, z = point
        height = y * np.cos(self.pitch) - z * np.sin(self.pitch)
        return np.array([self.origin_x + self.scale * x, self.origin_y - self.scale * height])

    def nearness(self, point: Point) -> float:
        """Return how near to the camera a point is; nearer parts hide others."""
        return float(point[2] * np.cos(self.pitch) + point[1] * np.sin(self.pitch))


@dataclass(frozen=True)
class Part:
    """A stroke with round ends through joints; a filled one covers what it encloses."""

    points: tuple[Point, ...]
    thickness: float  # body heights
    colour: Colour
    filled: bool = False


def draw_figure(picture: Image, joints: dict[str, Point], person: Person, camera: Camera) -> None:
    """Draw a person onto ``picture``, (height, width, 3) RGB uint8, the farthest parts first."""
    parts = _parts(joints, person)
    for part in sorted(parts, key=lambda part: camera.nearness(np.mean(part.points, axis=0))):
        _draw_part(picture, part, camera)


def _parts(joints: dict[str, Point], person: Person) -> list[Part]:
    parts = [_trunk(joints, person), *_head(joints, person)]
    for side in ("left", "right"):
        parts += _arm(joints, person, side)
        parts += _leg(joints, person, side)
    return parts


def _trunk(joints: dict[str, Point], person: Person) -> Part:
    corners = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
    return Part(tuple(joints[name] for name in corners), 0.9 * person.body.leg_thickness, person.shirt, filled=True)


def _head(joints: dict[str, Point], person: Person) -> list[Part]:
    body = person.body
    head, chest = joints["head"], joints["chest"]
    up = (head - chest) / np.linalg.norm(head - chest)
    hair = head + 0.3 * body.head_radius * up
    return [
        Part((chest, head), 0.9 * body.arm_thickness, person.skin),
        Part((hair - [0, 0, 0.01], hair - [0, 0, 0.01]), 2.1 * body.head_radius, person.hair),
        Part((head, head), 1.8 * body.head_radius, person.skin),
    ]


def _arm(joints: dict[str, Point], person: Person, side: str) -> list[Part]:
    shoulder, elbow, hand = (joints[f"{side}_{name}"] for name in ("shoulder", "elbow", "hand"))
    thickness = person.body.arm_thickness
    return [
        Part((shoulder, elbow), thickness, person.shirt),
        Part((elbow, hand), 0.8 * thickness, person.skin),
        Part((hand, hand), 1.1 * thickness, person.skin),
    ]


def _leg(joints: dict[str, Point], person: Person, side: str) -> list[Part]:
    hip, knee, ankle, toe = (joints[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "toe"))
    thickness = person.body.leg_thickness
    return [
        Part((hip, knee), thickness, person.trousers),
        Part((knee, ankle), 0.8 * thickness, person.trousers),
        Part((ankle, toe), 0.7 * thickness, person.shoes),
    ]


def _draw_part(picture: Image, part: Part, camera: Camera) -> None:
    fixed_point = np.stack([camera.project(point) for point in part.points]) * 2**FRACTION_BITS
    points = fixed_point.round().astype(np.int32)
    thickness = max(1, round(part.thickness * camera.scale))
    if part.filled:
        cv2.fillConvexPoly(picture, points, part.colour, cv2.LINE_AA, FRACTION_BITS)
    cv2.polylines(picture, [points], part.filled, part.colour, thickness, cv2.LINE_AA, FRACTION_BITS)
