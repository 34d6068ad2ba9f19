"""One video: everything that is drawn by chance, and the frames that follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from varml.data.sample.actions import ACTIONS, Motion, pose_track
from varml.data.sample.drawing import Camera, draw_figure
from varml.data.sample.figure import place_joints
from varml.data.sample.person import Colour, Person
from varml.data.sample.scene import Image, Shake, draw_background, draw_shake, draw_stool

FRAME_SIZES = ((160, 120), (176, 144))
FRAME_RATES = (15, 25)
SHORTEST_SEC, LONGEST_SEC = 1.4, 2.6
# Pictures are drawn at twice the size and shrunk, for smooth edges and finer limb thicknesses.
SUPERSAMPLING = 2
# Room for an outstretched limb between the ends of a walk and the border, in body heights.
SIDE_ROOM = 0.24


@dataclass(frozen=True)
class ClipPlan:
    """All that chance decides about one video. Pixels are those of the enlarged picture, before shrinking."""

    width: int
    height: int
    frame_rate: int
    num_frames: int
    person: Person
    motion: Motion
    camera: Camera
    background: Image
    stool_x: float
    stool_colour: Colour
    shake: Shake


def plan_clip(rng: np.random.Generator, person: Person) -> ClipPlan:
    """Draw the plan of a video. It does not know the action and so cannot give it away."""
    width, height = FRAME_SIZES[rng.integers(len(FRAME_SIZES))]
    frame_rate = FRAME_RATES[rng.integers(len(FRAME_RATES))]
    num_frames = round(rng.uniform(SHORTEST_SEC, LONGEST_SEC) * frame_rate)
    motion = _draw_motion(rng, person, duration_sec=(num_frames - 1) / frame_rate)
    large_width, large_height = SUPERSAMPLING * width, SUPERSAMPLING * height
    camera = _draw_camera(rng, person, motion, large_width, large_height)
    return ClipPlan(
        width=width,
        height=height,
        frame_rate=frame_rate,
        num_frames=num_frames,
        person=person,
        motion=motion,
        camera=camera,
        background=draw_background(rng, large_width, large_height, camera.origin_y),
        stool_x=rng.uniform(0, large_width),
        stool_colour=tuple(rng.integers(60, 190, size=3).tolist()),
        shake=draw_shake(rng),
    )


def render_clip(plan: ClipPlan, action_name: str) -> Iterator[Image]:
    """Yield the frames of a video, each (height, width, 3) RGB uint8."""
    stage = _set_stage(plan, ACTIONS[action_name].uses_stool)
    for index, pose in enumerate(pose_track(ACTIONS[action_name], plan.motion, plan.num_frames)):
        picture = stage.copy()
        joints = place_joints(plan.person.body, pose, plan.camera.yaw)
        draw_figure(picture, joints, plan.person, plan.camera)
        yield _film(plan, picture, time_sec=index / plan.frame_rate)


def _draw_motion(rng: np.random.Generator, person: Person, duration_sec: float) -> Motion:
    return Motion(
        duration_sec=duration_sec,
        pace=person.pace * rng.uniform(0.95, 1.05),
        phase=rng.uniform(),
        side=int(rng.choice([-1, 1])),
        hold_share=rng.uniform(0.3, 0.7),
    )


def _draw_camera(rng: np.random.Generator, person: Person, motion: Motion, width: int, height: int) -> Camera:
    """Draw a view in which a walk would fit, whatever the action, so that the place tells nothing."""
    scale = height * person.stature * rng.uniform(0.52, 0.64)
    free = max(0.0, width / 2 - (motion.walked_length / 2 + SIDE_ROOM) * scale)
    return Camera(
        origin_x=width / 2 + free * rng.uniform(-1, 1),
        origin_y=height * rng.uniform(0.86, 0.93),
        scale=scale,
        pitch=rng.uniform(0.2, 0.4),
        yaw=rng.uniform(-0.55, 0.55),
    )


def _set_stage(plan: ClipPlan, stool_under_figure: bool) -> Image:
    """Put a stool into the background: in every video, as its presence alone must not tell the action."""
    body, camera = plan.person.body, plan.camera
    back = body.thigh * np.array([-np.sin(camera.yaw), 0.0, -np.cos(camera.yaw)])
    seat_height = body.shin - body.leg_thickness / 2
    x, y = camera.project(back + np.array([0.0, seat_height, 0.0]))
    stage = plan.background.copy()
    seat = (x if stool_under_figure else plan.stool_x, y)
    draw_stool(stage, seat, 0.14 * camera.scale, seat_height * camera.scale, plan.stool_colour)
    return stage


def _film(plan: ClipPlan, picture: Image, time_sec: float) -> Image:
    """Shake the picture and shrink it to the video's size."""
    height, width = picture.shape[:2]
    matrix = plan.shake.matrix_at(time_sec, width, height)
    shaken = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    small = cv2.resize(shaken, (plan.width, plan.height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)
