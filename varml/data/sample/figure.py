"""The articulated figure: its bones, its pose, and where the pose puts its joints.

Lengths are in body heights, angles in radians. Body axes: x to the image's right, y up, z towards the viewer.
"Left" and "right" are the image's, not the person's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FOOT_LENGTH = 0.09
TOES_OUTWARD = 0.3
NECK_LENGTH = 0.035
# How fast a foot that leaves the ground stops carrying the body: a few centimetres on a real person.
CARRYING_HEIGHT = 0.03


class Bone(NamedTuple):
    """A bone's direction: angles from hanging straight down (for the trunk: from standing straight up)."""

    forward: float  # out of the image plane, towards the viewer
    sideways: float  # in the image plane, positive towards the image's right


class Limb(NamedTuple):
    """An arm (upper arm, forearm) or a leg (thigh, shin)."""

    upper: Bone
    lower: Bone


@dataclass(frozen=True)
class Pose:
    """One moment of a figure."""

    travel: float  # how far along x the figure is from the middle of its path
    trunk: Bone
    left_arm: Limb
    right_arm: Limb
    left_leg: Limb
    right_leg: Limb
    breadth: float = 1.0  # how much of the width of shoulders and hips shows: less than 1 in profile


@dataclass(frozen=True)
class Body:
    """Bone lengths and thicknesses, which stay the same for one person."""

    shin: float
    thigh: float
    trunk: float
    upper_arm: float
    forearm: float
    shoulder_half_width: float
    hip_half_width: float
    head_radius: float
    leg_thickness: float
    arm_thickness: float


Point = NDArray[np.float64]


def place_joints(body: Body, pose: Pose, yaw: float) -> dict[str, Point]:
    """Return every joint's (x, y, z) in body heights, with the carrying foot on the ground y = 0.

    ``yaw`` turns the body about its vertical axis. The figure travels along x whatever its yaw, so that the
    side it faces says nothing about where it goes.
    """
    joints = _hang_limbs(body, pose)
    carrying = _carrying_point(joints)
    travel = np.array([pose.travel, 0.0, 0.0])
    return {name: _turn(point - carrying, yaw) + travel for name, point in joints.items()}


def _hang_limbs(body: Body, pose: Pose) -> dict[str, Point]:
    """Place the joints relative to the pelvis."""
    up = _direction(pose.trunk) * np.array([1.0, -1.0, 1.0])
    hip = np.array([pose.breadth * body.hip_half_width, 0.0, 0.0])
    shoulder = pose.breadth * body.shoulder_half_width * np.array([up[1], -up[0], 0.0])
    chest = up * body.trunk
    joints = {
        "pelvis": np.zeros(3),
        "chest": chest,
        "head": chest + up * (NECK_LENGTH + body.head_radius),
    }
    for side, sign, arm, leg in (
        ("left", -1.0, pose.left_arm, pose.left_leg),
        ("right", 1.0, pose.right_arm, pose.right_leg),
    ):
        joints[f"{side}_shoulder"] = chest + sign * shoulder
        joints[f"{side}_elbow"] = joints[f"{side}_shoulder"] + body.upper_arm * _direction(arm.upper)
        joints[f"{side}_hand"] = joints[f"{side}_elbow"] + body.forearm * _direction(arm.lower)
        joints[f"{side}_hip"] = sign * hip
        joints[f"{side}_knee"] = joints[f"{side}_hip"] + body.thigh * _direction(leg.upper)
        joints[f"{side}_ankle"] = joints[f"{side}_knee"] + body.shin * _direction(leg.lower)
        joints[f"{side}_toe"] = joints[f"{side}_ankle"] + FOOT_LENGTH * np.array([sign * TOES_OUTWARD, 0.0, 1.0])
    return joints


def _direction(bone: Bone) -> Point:
    """Return the unit vector of a bone that hangs straight down at (0, 0)."""
    in_plane = np.cos(bone.forward)
    return np.array([np.sin(bone.sideways) * in_plane, -np.cos(bone.sideways) * in_plane, np.sin(bone.forward)])


def _turn(point: Point, yaw: float) -> Point:
    x, y, z = point
    return np.array([x * np.cos(yaw) + z * np.sin(yaw), y, z * np.cos(yaw) - x * np.sin(yaw)])


def _carrying_point(joints: dict[str, Point]) -> Point:
    """Return (0, height of the lowest ankle, depth of the ankles near the ground).

    The depth is a soft choice between the feet, because a hard one makes the figure jump at each step.
    """
    ankles = np.stack([joints["left_ankle"], joints["right_ankle"]])
    lowest = ankles[:, 1].min()
    weights = np.exp(-(ankles[:, 1] - lowest) / CARRYING_HEIGHT)
    return np.array([0.0, lowest, float(np.average(ankles[:, 2], weights=weights))])
