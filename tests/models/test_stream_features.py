"""Features of both streams: their shapes, what the flow looks like as an image, and what they depend on."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from varml.config.params import Features
from varml.flow.store import compand
from varml.ground.engine import map_parallel
from varml.models.backbones import Backbone
from varml.models.features import (
    FeatureTask,
    compute_features,
    extract_features,
    rgb_images,
)  # fmt: skip
from varml.video.pack import write_pack

S, F, HEIGHT, WIDTH, BOUND_PX = 2, 3, 40, 48, 16.0
PARAMS = Features(image_size_px=64, grid_size=2, flow_images="both", weights={})


def random_video(seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (S, F, HEIGHT, WIDTH, 3), dtype=np.uint8)
    return frames, compand(rng.normal(0, 3, (S, F - 1, HEIGHT, WIDTH, 2)).astype(np.float32), BOUND_PX)


# Images.


def test_each_stream_is_standardised_in_its_own_way(tiny_backbone: Backbone) -> None:
    frames, flow = random_video(0)
    features = compute_features(tiny_backbone, frames, flow, PARAMS)
    other = deepcopy(tiny_backbone)
    other.mean += 0.3
    changed = compute_features(other, frames, flow, PARAMS)
    assert np.array_equal(changed["flow"], features["flow"])
    assert not np.allclose(changed["rgb"], features["rgb"], atol=1e-2)


@pytest.mark.parametrize(("num_frames", "middle"), [(2, 0), (3, 1), (4, 1)])
def test_rgb_is_the_middle_frame_of_each_segment(num_frames: int, middle: int) -> None:
    frames = np.arange(2 * num_frames, dtype=np.uint8).reshape(2, num_frames, 1, 1, 1).repeat(3, axis=-1)
    images = rgb_images(frames)
    assert images.shape == (2, 3, 1, 1)
    assert (images[:, 0, 0, 0] * 255).tolist() == pytest.approx([middle, num_frames + middle])


# Features.


def test_shapes_and_type(tiny_backbone: Backbone) -> None:
    features = compute_features(tiny_backbone, *random_video(0), PARAMS)
    assert {stream: (array.shape, array.dtype) for stream, array in features.items()} == {
        "rgb": ((S, 4, 96), np.float16),
        "flow": ((2 * S * (F - 1), 4, 96), np.float16),  # two images a step
    }
    assert all(np.isfinite(array).all() for array in features.values())


def test_grid_cells_lie_row_by_row(tiny_backbone: Backbone) -> None:
    frames, flow = random_video(0)
    fine = compute_features(tiny_backbone, frames, flow, PARAMS)["rgb"]
    coarse = compute_features(tiny_backbone, frames, flow, PARAMS.model_copy(update={"grid_size": 1}))["rgb"]
    assert fine.astype(np.float32).mean(1) == pytest.approx(coarse[:, 0].astype(np.float32), abs=2e-3)
    changed = frames.copy()
    changed[:, :, :4, :4] = 255  # the upper left corner
    change = np.abs(compute_features(tiny_backbone, changed, flow, PARAMS)["rgb"] - fine).mean((0, 2))
    assert change.argmax() == 0
    changed = frames.copy()
    changed[:, :, :4, -4:] = 255  # the upper right corner
    change = np.abs(compute_features(tiny_backbone, changed, flow, PARAMS)["rgb"] - fine).mean((0, 2))
    assert change.argmax() == 1


def test_each_stream_comes_from_its_own_images_in_their_order(tiny_backbone: Backbone) -> None:
    frames, flow = random_video(0)
    features = compute_features(tiny_backbone, frames, flow, PARAMS)
    turned = compute_features(tiny_backbone, frames[::-1], flow, PARAMS)
    assert np.allclose(turned["rgb"], features["rgb"][::-1], atol=1e-3)
    assert not np.allclose(turned["rgb"], features["rgb"], atol=1e-3)
    assert np.array_equal(turned["flow"], features["flow"])
    of_turned_flow = compute_features(tiny_backbone, frames, flow[::-1], PARAMS)["flow"].reshape(S, 2 * (F - 1), 4, 96)
    assert np.allclose(of_turned_flow[::-1].reshape(features["flow"].shape), features["flow"], atol=1e-3)


def test_a_videos_features_do_not_depend_on_others(tiny_backbone: Backbone) -> None:
    first = compute_features(tiny_backbone, *random_video(0), PARAMS)
    compute_features(tiny_backbone, *random_video(1), PARAMS)
    again = compute_features(tiny_backbone, *random_video(0), PARAMS)
    assert all(np.array_equal(first[stream], again[stream]) for stream in first)


def test_stored_features_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    # One video that is added later must get the bytes that it would have got among others on another machine.
    frames, flow = random_video(0)
    write_pack(tmp_path / "frames", frames, 95)
    write_pack(tmp_path / "flow", flow, 95)
    stored = []
    for num_threads in (1, 2):
        torch.set_num_threads(num_threads)
        target = tmp_path / f"{num_threads}.safetensors"
        params = Features(image_size_px=128, grid_size=2, flow_images="both", weights={})
        task = FeatureTask(tmp_path / "frames", tmp_path / "flow", target, "tf_efficientnet_lite0", params)
        try:
            list(map_parallel(extract_features, [task], num_workers=1))
        finally:
            torch.set_num_threads(1)
        stored.append(target.read_bytes())
    assert stored[0] == stored[1]
