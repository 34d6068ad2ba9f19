"""One contract for every flow estimator that is registered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from known_motion import field_of, motion, warped

from varml.errors import FlowError
from varml.flow.estimator import estimate_flow, estimators, make_estimator
from varml.flow.estimators.raft import Raft

MARGIN_PX = 16
TOLERANCE_PX = 0.3
Make = Callable[..., np.ndarray]


@pytest.fixture(params=estimators.names())
def name(request: pytest.FixtureRequest) -> str:
    kind = estimators[request.param]
    if issubclass(kind, Raft) and not (Path(torch.hub.get_dir()) / "checkpoints" / kind.hub_file).is_file():
        pytest.skip(f"torchvision's weights {kind.hub_file} are not in the hub's cache")
    return request.param


def test_those_that_params_name_are_registered():
    assert {"dis", "farneback", "lucas_kanade", "raft", "raft_small"} <= set(estimators.names())


@pytest.mark.parametrize("shape", [(64, 80), (80, 64), (63, 101), (32, 32), (16, 200), (8, 8), (1, 1), (5, 40)])
def test_every_pixel_has_a_displacement(name: str, make_texture: Make, shape: tuple[int, int]):
    flow = make_estimator(name).estimate(make_texture(*shape), make_texture(*shape, seed=1))
    assert flow.shape == (*shape, 2)
    assert flow.dtype == np.float32
    assert np.isfinite(flow).all()


@pytest.mark.parametrize("shape", [(64, 80), (101, 63)])
def test_identical_frames_have_no_flow(name: str, make_texture: Make, shape: tuple[int, int]):
    image = make_texture(*shape)
    flow = make_estimator(name).estimate(image, image.copy())
    assert np.abs(flow[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]).max() < 1e-3


def test_a_plain_image_has_no_flow(name: str):
    plain = np.full((64, 80), 128, np.uint8)
    assert np.abs(make_estimator(name).estimate(plain, plain)).max() < 1e-3


@pytest.mark.parametrize(("x", "y"), [(3, 0), (-3, 0), (0, 3), (0, -3), (1.5, -0.75), (-4, 2), (0.25, 0)])
def test_a_known_shift_is_recovered(name: str, make_texture: Make, move: Make, x: float, y: float):
    image = make_texture(128, 160)
    flow = make_estimator(name).estimate(image, move(image, x, y))
    inner = flow[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    errors = np.linalg.norm(inner - [x, y], axis=-1)
    assert errors.mean() < TOLERANCE_PX
    # The smallest shift asked for is below the tolerance: its sign must be right all the same.
    assert np.abs(inner.mean((0, 1)) - [x, y]).max() < TOLERANCE_PX / 3


@pytest.mark.parametrize("kind", ["shift", "rotation", "zoom", "still"])
def test_a_known_motion_of_a_photograph_is_recovered_within_the_stated_error(name: str, photo: np.ndarray, kind: str):
    matrix = motion(kind, *photo.shape)
    flow = make_estimator(name).estimate(photo, warped(photo, matrix))
    errors = np.linalg.norm(flow - field_of(matrix, *photo.shape), axis=-1)[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    assert errors.mean() < (1e-3 if kind == "still" else estimators[name].error_px)


def test_a_stated_error_is_less_than_the_motion(name: str, photo: np.ndarray):
    # Else an estimator that finds no motion at all would keep to it.
    for kind in ("shift", "rotation", "zoom"):
        lengths = np.linalg.norm(field_of(motion(kind, *photo.shape), *photo.shape), axis=-1)
        assert estimators[name].error_px < lengths.mean() * 0.75


def test_an_estimate_is_the_same_each_time(name: str, photo: np.ndarray):
    following = warped(photo, motion("rotation", *photo.shape))
    flows = [make_estimator(name).estimate(photo, following) for _ in range(3)]
    np.testing.assert_array_equal(flows[0], flows[1])
    np.testing.assert_array_equal(flows[0], flows[2])


def test_an_estimate_does_not_depend_on_the_number_of_threads(name: str, photo: np.ndarray):
    following, before = warped(photo, motion("zoom", *photo.shape)), cv2.getNumThreads()
    flows = []
    for num_threads in (1, 2, 5):
        cv2.setNumThreads(num_threads)
        flows.append(make_estimator(name).estimate(photo, following))
    cv2.setNumThreads(before)
    np.testing.assert_array_equal(flows[0], flows[1])
    np.testing.assert_array_equal(flows[0], flows[2])


def test_the_shift_belongs_to_the_place_where_it_is(name: str, make_texture: Make, move: Make):
    image = make_texture(96, 192)
    following = np.concatenate([move(image, 3, 0)[:, :96], move(image, 0, 3)[:, 96:]], axis=1)
    flow = make_estimator(name).estimate(image, following)
    left, right = flow[20:-20, 20:76], flow[20:-20, 116:-20]
    assert np.abs(np.median(left, axis=(0, 1)) - [3, 0]).max() < TOLERANCE_PX
    assert np.abs(np.median(right, axis=(0, 1)) - [0, 3]).max() < TOLERANCE_PX


@pytest.mark.parametrize("before", [(8, 8), (24, 40), (64, 80), (240, 320)])
def test_the_same_pair_gives_the_same_flow_whatever_came_before(
    name: str, make_texture: Make, move: Make, before: tuple[int, int]
):
    image = make_texture(64, 80)
    pair = image, move(image, 2, 1)
    fresh = make_estimator(name).estimate(*pair)
    used = make_estimator(name)
    used.estimate(make_texture(*before, seed=1), make_texture(*before, seed=2))
    used.estimate(make_texture(64, 80, seed=1), make_texture(64, 80, seed=2))
    np.testing.assert_array_equal(used.estimate(*pair), fresh)


def test_an_estimate_leaves_its_images_and_earlier_results_alone(name: str, make_texture: Make, move: Make):
    image = make_texture(64, 80)
    following = move(image, 2, 1)
    copies = image.copy(), following.copy()
    estimator = make_estimator(name)
    first = estimator.estimate(image, following)
    kept = first.copy()
    estimator.estimate(following, image)
    np.testing.assert_array_equal(image, copies[0])
    np.testing.assert_array_equal(following, copies[1])
    np.testing.assert_array_equal(first, kept)


def test_flow_is_estimated_inside_each_segment(name: str, frames: np.ndarray):
    flow = estimate_flow(frames, name)
    assert flow.shape == (2, 2, 64, 80, 2)
    assert flow.dtype == np.float32
    for step in range(2):
        assert np.abs(np.median(flow[0, step, 16:-16, 16:-16], axis=(0, 1)) - [2, 0]).max() < TOLERANCE_PX
        assert np.abs(np.median(flow[1, step, 16:-16, 16:-16], axis=(0, 1)) - [0, -1]).max() < TOLERANCE_PX


def test_a_segment_does_not_depend_on_the_others(name: str, frames: np.ndarray):
    np.testing.assert_array_equal(estimate_flow(frames[1:], name), estimate_flow(frames, name)[1:])


def test_an_unknown_estimator():
    with pytest.raises(KeyError, match=r"no flow estimator is named 'farnback'.*did you mean 'farneback'"):
        estimate_flow(np.zeros((1, 2, 32, 32, 3), np.uint8), "farnback")


@pytest.mark.parametrize(("answer", "rule"), [(np.full((32, 32, 2), np.nan), "NaN"), (np.zeros((32, 32)), "shape")])
def test_what_is_no_flow_is_refused(monkeypatch: pytest.MonkeyPatch, answer: np.ndarray, rule: str):
    class Broken:
        error_px = 1.0

        def estimate(self, previous: np.ndarray, following: np.ndarray) -> np.ndarray:
            return answer.astype(np.float32)

    monkeypatch.setitem(estimators._entries, "broken", Broken)
    with pytest.raises(FlowError, match=f"broken gives flow .*{rule}.*choose another flow.estimator"):
        estimate_flow(np.zeros((1, 2, 32, 32, 3), np.uint8), "broken")
