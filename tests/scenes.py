"""Rendered scenes of one person each, from which tests make videos and copies of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from videos import Image

from varml.data.sample.clip import ClipPlan, plan_clip, render_clip
from varml.data.sample.person import draw_person

RATE, NUM_FRAMES = 25, 75


def plan_of(number: int) -> ClipPlan:
    """Return the plan of a video of three seconds by a camera that does not shake."""
    rng = np.random.default_rng([11, number])
    plan = plan_clip(rng, draw_person(rng))
    motion = replace(plan.motion, duration_sec=(NUM_FRAMES - 1) / RATE, pace=1.0)
    shake = replace(plan.shake, amplitudes=np.zeros_like(plan.shake.amplitudes))
    return replace(plan, frame_rate=RATE, num_frames=NUM_FRAMES, motion=motion, shake=shake)


def frames_of(plan: ClipPlan, action: str) -> list[Image]:
    """Return the frames of the plan's person doing ``action``."""
    return list(render_clip(plan, action))


def shrunk(frames: list[Image]) -> list[Image]:
    """Return frames of half the size, each pixel the mean of four."""
    height, width = frames[0].shape[:2]
    return [f.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3)).astype(np.uint8) for f in frames]
