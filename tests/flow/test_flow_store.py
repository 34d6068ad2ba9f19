"""Stored flow: eight bits on a square-root curve, packed, the same in extraction and in prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_motion import motion, warped

from varml.config.params import Flow as FlowParams
from varml.config.params import Frames as FrameParams
from varml.errors import StoreError
from varml.flow.estimator import estimate_flow
from varml.flow.store import (
    LARGEST,
    ZERO,
    FlowTask,
    clip_flow,
    compand,
    count_clipped,
    expand,
    extract_flow,
    flow_files,
    flow_key,
    mirrored,
    read_flow,
    read_packed_flow,
    unit_curve,
)
from varml.ground.paths import FLOW
from varml.video.frames import frames_keys, read_frames
from varml.video.pack import write_pack

PARAMS = FlowParams(estimator="dis", bound_px=16, jpeg_quality=95)
OTHER = {"estimator": "farneback", "bound_px": 8, "jpeg_quality": 90, "stabilize": "affine"}

bounds = st.floats(0.5, 100)
displacements = st.floats(-200, 200)


def level(displacement: float, bound_px: float) -> int:
    """Return the stored value of one displacement."""
    return int(compand(np.array([[[displacement, 0.0]]], np.float32), bound_px)[0, 0, 0])


def restored(displacement: float, bound_px: float) -> float:
    packed = compand(np.array([[[displacement, 0.0]]], np.float32), bound_px)
    return float(expand(packed, bound_px)[0, 0, 0])


@pytest.mark.parametrize(
    ("displacement", "expected"),
    # 128 + 127 sign(v) sqrt(|v| / 16), rounded.
    [(0, 128), (16, 255), (-16, 1), (4, 192), (-4, 64), (1, 160), (-1, 96), (100, 255), (-100, 1), (0.0001, 128)],
)
def test_levels_by_hand(displacement: float, expected: int):
    assert level(displacement, 16) == expected


def test_u_stands_above_v():
    flow = np.zeros((2, 3, 2), np.float32)
    flow[0, 1] = [16, -16]
    packed = compand(flow, 16)
    assert packed.shape == (4, 3, 1)
    assert packed.dtype == np.uint8
    assert packed[..., 0].tolist() == [[128, 255, 128], [128] * 3, [128, 1, 128], [128] * 3]
    assert expand(packed, 16).tolist() == flow.tolist()


@given(bounds)
def test_zero_is_exact(bound_px: float):
    assert level(0.0, bound_px) == ZERO
    assert restored(0.0, bound_px) == 0.0


@given(displacements, displacements, bounds)
def test_the_curve_is_monotone(first: float, second: float, bound_px: float):
    low, high = sorted([first, second])
    assert level(low, bound_px) <= level(high, bound_px)
    assert restored(low, bound_px) <= restored(high, bound_px)


@given(displacements, bounds)
def test_the_curve_is_symmetric(displacement: float, bound_px: float):
    assert level(displacement, bound_px) - ZERO == ZERO - level(-displacement, bound_px)
    assert restored(displacement, bound_px) == -restored(-displacement, bound_px)


@given(st.floats(-1, 1), bounds)
def test_the_error_inside_the_bound_is_half_a_step(fraction: float, bound_px: float):
    displacement = fraction * bound_px
    # v = bound c^2, c in steps of 1/127: half a step of c costs |c| / 127 of the bound, and 1/127^2/4 at zero.
    limit = bound_px * (np.sqrt(abs(fraction)) / LARGEST + 0.25 / LARGEST**2)
    assert abs(restored(displacement, bound_px) - displacement) <= limit * 1.001 + 1e-6


@given(st.floats(1, 1000), bounds, st.sampled_from([-1, 1]))
def test_what_is_beyond_the_bound_is_clipped(times: float, bound_px: float, sign: int):
    assert restored(sign * times * bound_px, bound_px) == pytest.approx(sign * bound_px, rel=1e-6)


@pytest.mark.parametrize(("displacement", "step_px"), [(0, 0.001), (4, 0.13), (16, 0.25)])
def test_the_steps_of_the_curve_with_a_bound_of_16_px(displacement: float, step_px: float):
    stored = level(displacement, 16)
    neighbours = np.array([[[stored - 1], [stored]], [[ZERO], [ZERO]]], np.uint8)
    below, here = expand(neighbours, 16)[0, :, 0]
    assert here - below == pytest.approx(step_px, rel=0.05)


@given(st.integers(0, 255))
def test_every_byte_can_be_read(stored: int):
    packed = np.array([[[stored]], [[ZERO]]], np.uint8)
    curve = unit_curve(packed)
    assert curve.shape == (1, 1, 2)
    assert -1 <= curve[0, 0, 0] <= 1
    assert curve[0, 0, 1] == 0
    assert expand(packed, 2.0)[0, 0, 0] == pytest.approx(np.sign(curve[0, 0, 0]) * curve[0, 0, 0] ** 2 * 2)


@pytest.fixture
def stored_frames(tmp_path: Path, frames: np.ndarray) -> Path:
    write_pack(tmp_path / "frames.pack", frames, 95)
    return tmp_path / "frames.pack"


@pytest.mark.parametrize("estimator", ["dis", "farneback"])
def test_stored_flow_is_close_to_the_estimate(tmp_path: Path, stored_frames: Path, estimator: str):
    params = PARAMS.model_copy(update={"estimator": estimator})
    extract_flow(FlowTask(stored_frames, tmp_path / "flow.pack", params))
    stored = read_flow(tmp_path / "flow.pack")
    estimated = estimate_flow(read_frames(stored_frames), estimator)
    assert stored.shape == estimated.shape == (2, 2, 64, 80, 2)
    assert stored.dtype == np.float32
    clipped = np.clip(estimated, -16, 16)
    assert np.abs(stored - clipped).mean() < 0.1
    assert np.abs(np.median(stored[0, 0, 16:-16, 16:-16], axis=(0, 1)) - [2, 0]).max() < 0.3


def test_prediction_sees_what_extraction_stored(tmp_path: Path, stored_frames: Path):
    for number, params in enumerate([PARAMS, FlowParams(estimator="farneback", bound_px=1.5, jpeg_quality=70)]):
        target = tmp_path / f"{number}.pack"
        extract_flow(FlowTask(stored_frames, target, params))
        packed = read_packed_flow(target)
        assert packed.shape == (2, 2, 128, 80, 1)
        assert packed.dtype == np.uint8
        np.testing.assert_array_equal(clip_flow(read_frames(stored_frames), params), packed)


def test_values_over_the_bound_are_counted(tmp_path: Path, stored_frames: Path):
    counted = {}
    for bound_px in (16, 1.5):
        target = tmp_path / f"{bound_px}.pack"
        extract_flow(FlowTask(stored_frames, target, PARAMS.model_copy(update={"bound_px": bound_px})))
        estimated = estimate_flow(read_frames(stored_frames), "dis")
        counted[bound_px] = count_clipped(target)
        assert counted[bound_px] == ((np.abs(estimated) > bound_px).sum(), 2 * 2 * 64 * 80 * 2)
        assert np.abs(read_flow(target)).max() <= bound_px * 1.0001
    # One of four steps' components, the first segment's x, moves by 2 px.
    num_clipped, num_values = counted[1.5]
    assert num_clipped / num_values == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize("bound_px", [4, 16])
def test_the_measured_error_of_stored_flow_of_a_photograph(tmp_path: Path, photo: np.ndarray, bound_px: float):
    moved = [photo, warped(photo, motion("zoom", *photo.shape)), warped(photo, motion("shift", *photo.shape))]
    frames = np.repeat(np.stack(moved)[None, ..., None], 3, axis=-1)
    write_pack(tmp_path / "frames.pack", frames, 100)
    extract_flow(
        FlowTask(
            tmp_path / "frames.pack",
            tmp_path / "flow.pack",
            FlowParams(estimator="dis", bound_px=bound_px, jpeg_quality=95),
        )
    )
    exact = np.clip(estimate_flow(read_frames(tmp_path / "frames.pack"), "dis"), -bound_px, bound_px)
    companded = np.abs(expand(compand(exact, bound_px), bound_px) - exact)
    stored = np.abs(read_flow(tmp_path / "flow.pack") - exact)
    # Half a step of the curve bounds each value; the JPEG adds a little on the mean, and more at sharp edges only.
    limit = bound_px * (np.sqrt(np.abs(exact) / bound_px) / LARGEST + 0.25 / LARGEST**2)
    assert (companded <= limit * 1.001 + 1e-6).all()
    assert companded.mean() < 0.005 * bound_px
    assert companded.mean() < stored.mean() < 0.01 * bound_px
    assert np.quantile(stored, 0.99) < 0.04 * bound_px


def test_the_curve_spends_its_bits_where_displacements_are():
    # Half of the vectors of a resting camera are under 0.03 px and all but one in a hundred under 3.7 px.
    even_step_px = 16 / LARGEST
    assert abs(restored(0.03, 16) - 0.03) < 0.1 * even_step_px / 2
    assert len({level(displacement, 16) for displacement in np.linspace(0, 3.7, 1000)}) > 0.45 * LARGEST


def test_the_motion_of_the_camera_is_taken_away_in_extraction_and_in_prediction(tmp_path: Path, stored_frames: Path):
    params = PARAMS.model_copy(update={"stabilize": "affine"})
    extract_flow(FlowTask(stored_frames, tmp_path / "flow.pack", params))
    assert np.abs(np.median(read_flow(tmp_path / "flow.pack")[0, 0], axis=(0, 1))).max() < 0.1
    np.testing.assert_array_equal(
        clip_flow(read_frames(stored_frames), params), read_packed_flow(tmp_path / "flow.pack")
    )


def test_extraction_twice_gives_equal_bytes(tmp_path: Path, stored_frames: Path):
    for name in ("one", "two"):
        extract_flow(FlowTask(stored_frames, tmp_path / name, PARAMS))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_frames_that_are_missing(tmp_path: Path):
    with pytest.raises(StoreError):
        extract_flow(FlowTask(tmp_path / "missing.pack", tmp_path / "flow.pack", PARAMS))
    assert not (tmp_path / "flow.pack").exists()


@pytest.mark.parametrize("name", list(OTHER))
def test_every_param_changes_the_name(name: str):
    changed = FlowParams.model_validate({**PARAMS.model_dump(), name: OTHER[name]})
    assert flow_key("frames", changed) != flow_key("frames", PARAMS)


def test_every_param_that_matters_is_asked_for():
    # Where weights lie does not matter; test_raft.py shows that which they are does.
    assert set(FlowParams.model_fields) - {"weights"} == set(OTHER)


def test_the_frames_change_the_name():
    assert flow_key("one", PARAMS) == flow_key("one", PARAMS.model_copy()) != flow_key("two", PARAMS)


def test_the_files_of_a_manifest_are_in_its_order_and_follow_its_frames(tmp_path: Path):
    rows = pd.DataFrame(
        {"digest": ["a", "b"], "reader": ["pyav", "decord"], "start_sec": "", "end_sec": "", "fps": 25.0}
    )
    frame_params = FrameParams(
        num_segments=2, frames_per_segment=2, frame_interval_sec=0.1, short_side_px=64, jpeg_quality=95,
        illumination="none",
    )  # fmt: skip
    names = [flow_key(key, PARAMS) for key in frames_keys(rows, frame_params)]
    assert flow_files(rows, frame_params, PARAMS, tmp_path) == [tmp_path / FLOW / f"{name}.pack" for name in names]
    other = frame_params.model_copy(update={"jpeg_quality": 90})
    assert set(flow_files(rows, other, PARAMS, tmp_path)).isdisjoint(flow_files(rows, frame_params, PARAMS, tmp_path))


def test_flow_in_a_mirror_is_the_flow_of_mirrored_frames_and_its_mirror_image_is_itself() -> None:
    rng = np.random.default_rng(0)
    flow = rng.uniform(-20, 20, (2, 1, 6, 5, 2)).astype(np.float32)
    packed, turned = compand(flow, 16), compand(flow[..., ::-1, :] * np.array([-1, 1], np.float32), 16)
    assert np.array_equal(mirrored(packed), turned)
    assert np.array_equal(mirrored(mirrored(packed)), packed)
    assert not np.array_equal(mirrored(packed), packed)


def test_a_level_without_an_opposite_becomes_the_nearest() -> None:
    packed = np.array([[[[0], [1]], [[0], [1]]]], np.uint8)[None]  # u above v, one row each
    assert mirrored(packed)[0, 0, :, :, 0].tolist() == [[255, 255], [1, 0]]
