"""The actions: a figure's pose over time.

Two pairs of actions are one motion, played forwards and backwards: no single frame tells the two apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from varml.data.sample.figure import Bone, Limb, Pose

# Speeds and durations are those of a person of pace 1; lengths are in body heights.
WALK_SPEED_PER_SEC = 0.42
STRIDE_LENGTH = 0.62
SIT_SEC = 0.9
ARM_RAISE_SEC = 0.4
WAVES_PER_SEC = 1.7
KICK_SEC = 1.15

SEATED_THIGH = 1.42
LEG_SWING = 0.36
ARM_SWING = 0.5
PROFILE_BREADTH = 0.45


@dataclass(frozen=True)
class Motion:
    """What varies between two performances of one action."""

    duration_sec: float
    pace: float
    phase: float  # where cyclic motions begin, 0 to 1
    side: int  # -1 or 1: the arm that waves, the leg that kicks
    hold_share: float  # how much of the spare time lies before the motion, 0 to 1

    @property
    def walked_length(self) -> float:
        """The way that a walk covers, in body heights."""
        return WALK_SPEED_PER_SEC * self.pace * self.duration_sec


@dataclass(frozen=True)
class Action:
    """A motion, and whether it is played backwards."""

    pose_at: Callable[[Motion, float], Pose]
    backwards: bool = False
    uses_stool: bool = False


def pose_track(action: Action, motion: Motion, num_frames: int) -> list[Pose]:
    """Return the pose of each frame; the first is at 0 s, the last at ``motion.duration_sec``."""
    times_sec = [motion.duration_sec * index / (num_frames - 1) for index in range(num_frames)]
    poses = [action.pose_at(motion, time_sec) for time_sec in times_sec]
    return poses[::-1] if action.backwards else poses


def walk_left(motion: Motion, time_sec: float) -> Pose:
    """Walk towards the image's left.

    The figure is narrow as in profile, but has no front: limbs swing in the image plane and knees bend
    towards the viewer, so that each pose occurs equally often in the walk to the right.
    """
    walked = WALK_SPEED_PER_SEC * motion.pace * time_sec
    angle = math.tau * (motion.phase + walked / STRIDE_LENGTH)
    swing, towards_right = math.sin(angle), math.cos(angle)
    return Pose(
        travel=motion.walked_length / 2 - walked,
        trunk=Bone(0.03, 0.0),
        left_arm=_swung_arm(-ARM_SWING * swing, near=motion.side < 0),
        right_arm=_swung_arm(ARM_SWING * swing, near=motion.side > 0),
        left_leg=_lifted_leg(LEG_SWING * swing, lift=max(0.0, -towards_right)),
        right_leg=_lifted_leg(-LEG_SWING * swing, lift=max(0.0, towards_right)),
        breadth=PROFILE_BREADTH,
    )


def sit_down(motion: Motion, time_sec: float) -> Pose:
    """Stand for a moment, sit down, stay seated."""
    seated = ease(_progress(motion, time_sec, SIT_SEC))
    thigh = SEATED_THIGH * seated
    forward_bow = 0.5 * math.sin(math.pi * seated) + 0.06 * seated
    leg_left, leg_right = (Limb(Bone(thigh, 0.3 * s * seated), Bone(-0.05 * seated, 0.0)) for s in (-1, 1))
    arm_left, arm_right = (
        Limb(Bone(0.05 + 0.5 * seated, 0.16 * s), Bone(0.15 + 0.75 * seated, s * (0.08 - 0.2 * seated)))
        for s in (-1, 1)
    )
    return Pose(0.0, Bone(forward_bow, 0.0), arm_left, arm_right, leg_left, leg_right)


def wave(motion: Motion, time_sec: float) -> Pose:
    """Raise one arm, wave the hand, lower the arm."""
    raise_sec = ARM_RAISE_SEC / motion.pace
    raised = ease(time_sec / raise_sec) * ease((motion.duration_sec - time_sec) / raise_sec)
    swing = math.sin(math.tau * (motion.phase + WAVES_PER_SEC * motion.pace * time_sec))
    side = motion.side
    waving = Limb(
        Bone(0.1, side * (0.14 + 1.7 * raised)),
        Bone(0.15, side * (0.1 + 2.75 * raised) + 0.55 * raised * swing),
    )
    return _with_side(side, Bone(0.0, -0.05 * side * raised), waving, _resting_arm(-side), _straight_leg(side))


def kick(motion: Motion, time_sec: float) -> Pose:
    """Kick to one side, again and again: draw the knee up, stretch the leg, put it down."""
    cycle = (motion.phase + motion.pace * time_sec / KICK_SEC) % 1.0
    raised = ease(cycle / 0.35) * ease((0.85 - cycle) / 0.35)
    stretched = ease((cycle - 0.2) / 0.22) * ease((0.75 - cycle) / 0.25)
    side = motion.side
    thigh_angle = 0.04 + 1.3 * raised
    kicking = Limb(
        Bone(0.55 * (raised - stretched), side * thigh_angle),
        Bone(-0.3 * (raised - stretched), side * (thigh_angle - 1.5 * (raised - stretched))),
    )
    lean = Bone(0.05, -0.4 * side * raised)
    arm_out = Limb(Bone(0.25, side * (0.15 + 0.5 * raised)), Bone(0.5, side * (0.1 + 0.7 * raised)))
    guard = Limb(Bone(0.3, -side * (0.15 + 0.7 * raised)), Bone(0.6, -side * (0.1 + 1.1 * raised)))
    return _with_side(side, lean, arm_out, guard, kicking)


ACTIONS: dict[str, Action] = {
    "walk_left": Action(walk_left),
    "walk_right": Action(walk_left, backwards=True),
    "sit_down": Action(sit_down, uses_stool=True),
    "stand_up": Action(sit_down, backwards=True, uses_stool=True),
    "wave": Action(wave),
    "kick": Action(kick),
}


def ease(progress: float) -> float:
    """Return a smooth step from 0 to 1 whose speed is 0 at both ends; ``progress`` is clipped to 0 to 1."""
    clipped = min(max(progress, 0.0), 1.0)
    return clipped * clipped * (3 - 2 * clipped)


def _progress(motion: Motion, time_sec: float, motion_sec: float) -> float:
    """Return how far a single motion is; what the video lasts longer is held before and after it."""
    lasting_sec = motion_sec / motion.pace
    spare_sec = motion.duration_sec - lasting_sec
    return (time_sec - motion.hold_share * spare_sec) / lasting_sec


def _with_side(side: int, trunk: Bone, arm: Limb, other_arm: Limb, leg: Limb) -> Pose:
    """Build a standing pose whose ``arm`` and ``leg`` are on ``side``."""
    other_leg = _straight_leg(-side)
    arms = (other_arm, arm) if side > 0 else (arm, other_arm)
    legs = (other_leg, leg) if side > 0 else (leg, other_leg)
    return Pose(0.0, trunk, arms[0], arms[1], legs[0], legs[1])


def _straight_leg(side: int) -> Limb:
    return Limb(Bone(0.0, 0.04 * side), Bone(0.0, 0.04 * side))


def _resting_arm(side: int) -> Limb:
    return Limb(Bone(0.05, 0.16 * side), Bone(0.15, 0.08 * side))


def _swung_arm(sideways: float, near: bool) -> Limb:
    """Build an arm that swings in front of the trunk or behind it."""
    forward = 0.25 if near else -0.25
    return Limb(Bone(forward, sideways), Bone(2 * forward, sideways))


def _lifted_leg(sideways: float, lift: float) -> Limb:
    return Limb(Bone(0.55 * lift, sideways), Bone(-0.6 * lift, sideways))
