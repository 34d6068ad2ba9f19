"""Compensation of light: by hand, the same each time, and through extraction and prediction alike."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from videos import HEIGHT, WIDTH, clip, write_video

from varml.config.params import Frames as FrameParams
from varml.config.params import Illumination
from varml.video.frames import FrameTask, clip_frames, extract_frames, read_frames, sample_frames
from varml.video.illumination import clahe, compensate, gray_world

METHODS = get_args(Illumination)
SHAPE = (2, 2, 64, 80, 3)


def ramp(low: int, high: int) -> np.ndarray:
    """Return a clip of equal gray frames that grow brighter from left to right."""
    row = np.linspace(low, high, SHAPE[3]).astype(np.uint8)
    return np.broadcast_to(row[None, None, None, :, None], SHAPE).copy()


def lightness(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)[..., 0].astype(int)


def test_none_changes_nothing():
    frames = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    assert compensate(frames, "none") is frames


@pytest.mark.parametrize("method", METHODS[1:])
def test_the_others_keep_shape_and_type_and_repeat_themselves(method: Illumination):
    frames = np.random.default_rng(0).integers(0, 200, SHAPE, np.uint8) // np.array([1, 2, 4], np.uint8)
    before = frames.copy()
    made = compensate(frames, method)
    assert (made.shape, made.dtype) == (SHAPE, np.uint8)
    assert not np.array_equal(made, before)
    np.testing.assert_array_equal(made, compensate(frames, method))
    np.testing.assert_array_equal(frames, before)


@pytest.mark.parametrize("method", METHODS)
def test_equal_frames_stay_equal(method: Illumination):
    made = compensate(ramp(60, 100), method)
    np.testing.assert_array_equal(made, np.broadcast_to(made[:1, :1], SHAPE))


def test_gray_world_takes_a_cast_out():
    cast = np.broadcast_to(np.array([50, 100, 150], np.uint8), SHAPE)
    assert (gray_world(cast) == 100).all()


def test_gray_world_makes_the_means_of_the_channels_equal():
    frames = np.random.default_rng(0).integers(0, 100, SHAPE, np.uint8) // np.array([1, 2, 3], np.uint8)
    means = gray_world(frames).reshape(-1, 3).mean(axis=0)
    assert np.ptp(frames.reshape(-1, 3).mean(axis=0)) > 20
    assert np.ptp(means) < 0.5


def test_gray_world_has_one_factor_for_all_frames():
    frames = np.zeros((1, 2, 2, 2, 3), np.uint8)
    frames[0, 0], frames[0, 1] = (40, 10, 10), (40, 30, 50)
    # Channel means 40, 20 and 30 become 30: factors 3/4, 3/2 and 1.
    assert gray_world(frames)[0, :, 0, 0].tolist() == [[30, 15, 10], [30, 45, 50]]


def test_gray_world_clips_what_is_too_bright_and_leaves_black_alone():
    frames = np.zeros((1, 2, 1, 2, 3), np.uint8)
    frames[..., 0, :] = (200, 240, 0)
    frames[..., 1, :] = (100, 0, 0)
    # Channel means 150, 120 and 0 become 90, but for the black one: factors 3/5, 3/4 and 1.
    assert gray_world(frames)[0, 0, 0].tolist() == [[120, 180, 0], [60, 0, 0]]
    frames[..., 0, :] = (250, 0, 250)
    frames[..., 1, :] = (250, 80, 250)
    # Channel means 250, 40 and 250 become 180: factors 0.72 and 4.5.
    assert gray_world(frames)[0, 0, 0].tolist() == [[180, 0, 180], [180, 255, 180]]
    assert not gray_world(np.zeros(SHAPE, np.uint8)).any()


def test_gray_world_makes_no_colours_of_the_noise_in_red_light():
    frames = np.zeros((1, 1, 4, 4, 3), np.uint8)
    frames[..., 0], frames[..., 2] = 200, np.arange(16).reshape(4, 4) % 2
    assert compensate(frames, "gray_world")[..., 2].max() == 4


def test_clahe_spreads_lightness_and_leaves_hues_alone():
    frame = ramp(100, 120)[0, 0]
    frame[..., 0] += 30  # reddish
    made = clahe(frame[None])[0]
    assert np.ptp(lightness(made)) > 1.5 * np.ptp(lightness(frame))
    before, after = (cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[..., 1:].astype(int) for image in (frame, made))
    assert np.abs(after - before).max() <= 2


def test_clahe_brings_light_and_shade_together():
    texture = np.random.default_rng(0).integers(0, 60, (64, 80), np.uint8)
    frame = np.repeat(texture[..., None], 3, axis=-1)
    frame[:, 40:] += 150  # the right half lies in the sun
    made = clahe(frame[None])[0]
    assert lightness(made)[:, 48:].mean() - lightness(made)[:, :32].mean() < 0.8 * (
        lightness(frame)[:, 48:].mean() - lightness(frame)[:, :32].mean()
    )


@pytest.mark.parametrize("method", METHODS)
def test_prediction_sees_the_light_that_extraction_stored(tmp_path: Path, method: Illumination):
    shades = np.linspace(40, 90, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH, 1)
    frame = (shades * np.array([1.0, 1.5, 2.0])).astype(np.uint8)
    path = write_video(tmp_path / "blue.mp4", [frame] * 20)
    params = FrameParams(
        num_segments=2, frames_per_segment=2, frame_interval_sec=0.1, short_side_px=HEIGHT, jpeg_quality=95,
        illumination=method,
    )  # fmt: skip
    video = clip(path, "pyav", 20)
    extract_frames(FrameTask(video, tmp_path / "one.pack", params))
    stored = read_frames(tmp_path / "one.pack")
    np.testing.assert_array_equal(clip_frames(video, params), stored)
    raw = sample_frames(video, params.model_copy(update={"illumination": "none"}))
    expected = compensate(raw, method).astype(int)
    assert np.abs(stored.astype(int) - expected).mean() < 3  # what JPEG costs
    assert method == "none" or np.abs(expected - raw).mean() > 6
