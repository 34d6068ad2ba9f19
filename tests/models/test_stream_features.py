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
from varml.models.backbones import Backbone, build_backbone
from varml.models.features import (
    FeatureTask,
    StreamBackbones,
    compute_features,
    extract_features,
    features_of,
    flow_input,
    grid_features,
    rgb_images,
    rgb_input,
    stream_backbones,
)
from varml.video.pack import write_pack

S, F, HEIGHT, WIDTH, BOUND_PX = 2, 3, 40, 48, 16.0
PARAMS = Features(image_size_px=64, grid_size=2, flow_images="both", weights={})


def random_video(seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (S, F, HEIGHT, WIDTH, 3), dtype=np.uint8)
    return frames, compand(rng.normal(0, 3, (S, F - 1, HEIGHT, WIDTH, 2)).astype(np.float32), BOUND_PX)


def shared(backbone: Backbone) -> StreamBackbones:
    return {"rgb": backbone, "flow": backbone}


# Images.


def test_each_stream_is_standardised_in_its_own_way(tiny_backbone: Backbone) -> None:
    frames, flow = random_video(0)
    features = compute_features(shared(tiny_backbone), frames, flow, PARAMS)
    other = deepcopy(tiny_backbone)
    other.mean += 0.3
    changed = compute_features(shared(other), frames, flow, PARAMS)
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
    features = compute_features(shared(tiny_backbone), *random_video(0), PARAMS)
    assert {stream: (array.shape, array.dtype) for stream, array in features.items()} == {
        "rgb": ((S, 4, 96), np.float16),
        "flow": ((2 * S * (F - 1), 4, 96), np.float16),  # two images a step
    }
    assert all(np.isfinite(array).all() for array in features.values())


def test_grid_cells_lie_row_by_row(tiny_backbone: Backbone) -> None:
    frames, flow = random_video(0)
    fine = compute_features(shared(tiny_backbone), frames, flow, PARAMS)["rgb"]
    coarse = compute_features(shared(tiny_backbone), frames, flow, PARAMS.model_copy(update={"grid_size": 1}))["rgb"]
    assert fine.astype(np.float32).mean(1) == pytest.approx(coarse[:, 0].astype(np.float32), abs=2e-3)
    changed = frames.copy()
    changed[:, :, :4, :4] = 255  # the upper left corner
    change = np.abs(compute_features(shared(tiny_backbone), changed, flow, PARAMS)["rgb"] - fine).mean((0, 2))
    assert change.argmax() == 0
    changed = frames.copy()
    changed[:, :, :4, -4:] = 255  # the upper right corner
    change = np.abs(compute_features(shared(tiny_backbone), changed, flow, PARAMS)["rgb"] - fine).mean((0, 2))
    assert change.argmax() == 1


def test_each_stream_comes_from_its_own_images_in_their_order(tiny_backbone: Backbone) -> None:
    frames, flow = random_video(0)
    features = compute_features(shared(tiny_backbone), frames, flow, PARAMS)
    turned = compute_features(shared(tiny_backbone), frames[::-1], flow, PARAMS)
    assert np.allclose(turned["rgb"], features["rgb"][::-1], atol=1e-3)
    assert not np.allclose(turned["rgb"], features["rgb"], atol=1e-3)
    assert np.array_equal(turned["flow"], features["flow"])
    of_turned_flow = compute_features(shared(tiny_backbone), frames, flow[::-1], PARAMS)["flow"].reshape(
        S, 2 * (F - 1), 4, 96
    )
    assert np.allclose(of_turned_flow[::-1].reshape(features["flow"].shape), features["flow"], atol=1e-3)


def test_a_videos_features_do_not_depend_on_others(tiny_backbone: Backbone) -> None:
    first = compute_features(shared(tiny_backbone), *random_video(0), PARAMS)
    compute_features(shared(tiny_backbone), *random_video(1), PARAMS)
    again = compute_features(shared(tiny_backbone), *random_video(0), PARAMS)
    assert all(np.array_equal(first[stream], again[stream]) for stream in first)


# Gradients.


def test_stored_features_are_the_grid_features_of_the_same_images(tiny_backbone: Backbone) -> None:
    images = rgb_input(tiny_backbone, random_video(0)[0], PARAMS)
    cells = grid_features(tiny_backbone, images, PARAMS.grid_size)
    assert (cells.shape, cells.dtype) == ((S, 4, 96), torch.float32)
    assert np.array_equal(cells.detach().half().numpy(), features_of(tiny_backbone, images, PARAMS))


def test_what_is_beyond_half_precision_is_clipped_where_it_is_stored_and_not_before(tiny_backbone: Backbone) -> None:
    images = rgb_input(tiny_backbone, random_video(0)[0], PARAMS) * 1e7
    large = deepcopy(tiny_backbone)
    large.feature_map = lambda images: images.repeat(1, 32, 1, 1)
    assert grid_features(large, images, 2).abs().max() > 65504
    assert np.isfinite(features_of(large, images, PARAMS)).all()


def test_gradients_flow_through_grid_features_into_the_backbone(tiny_backbone: Backbone) -> None:
    backbone = deepcopy(tiny_backbone).train()
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)  # timm starts residual branches at zero, and they would get none
    images = rgb_input(backbone, random_video(0)[0], PARAMS)
    grid_features(backbone, images, 2).square().mean().backward()
    without = [key for key, value in backbone.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []
    assert not any(value.grad for value in tiny_backbone.parameters())


# Backbones apart.


def test_each_stream_is_seen_by_its_own_backbone(tiny_backbone: Backbone) -> None:
    torch.manual_seed(1)
    other = build_backbone("test_resnet", 64, None)
    mixed = compute_features({"rgb": tiny_backbone, "flow": other}, *random_video(0), PARAMS)
    by_tiny, by_other = (compute_features(shared(one), *random_video(0), PARAMS) for one in (tiny_backbone, other))
    assert np.array_equal(mixed["rgb"], by_tiny["rgb"])
    assert np.array_equal(mixed["flow"], by_other["flow"])
    assert not np.array_equal(by_tiny["flow"], by_other["flow"])


def test_stacked_flow_is_one_image_of_many_channels_for_each_segment() -> None:
    params = PARAMS.model_copy(update={"flow_images": "stack"})
    backbones = stream_backbones("test_resnet", params, F, None)
    frames, flow = random_video(0)
    assert flow_input(flow, params).shape == (S, 2 * (F - 1), 64, 64)
    features = compute_features(backbones, frames, flow, params)
    assert {stream: array.shape for stream, array in features.items()} == {"rgb": (S, 4, 96), "flow": (S, 4, 96)}


@pytest.mark.parametrize(
    ("kind", "is_shared"), [("direction", True), ("magnitude", True), ("both", True), ("stack", False)]
)
def test_streams_share_a_backbone_unless_flow_has_channels_of_its_own(kind: str, is_shared: bool) -> None:
    backbones = stream_backbones("test_resnet", PARAMS.model_copy(update={"flow_images": kind}), F, None)
    assert (backbones["rgb"] is backbones["flow"]) == is_shared
    assert backbones["flow"].mean.shape[1] == (3 if is_shared else 4)


@pytest.mark.parametrize("kind", ["both", "stack"])
def test_stored_features_do_not_depend_on_the_number_of_threads(tmp_path: Path, kind: str) -> None:
    # One video that is added later must get the bytes that it would have got among others on another machine.
    frames, flow = random_video(0)
    write_pack(tmp_path / "frames", frames, 95)
    write_pack(tmp_path / "flow", flow, 95)
    stored = []
    for num_threads in (1, 2):
        torch.set_num_threads(num_threads)
        target = tmp_path / f"{num_threads}.safetensors"
        params = Features(image_size_px=128, grid_size=2, flow_images=kind, weights={})
        task = FeatureTask(tmp_path / "frames", tmp_path / "flow", target, "tf_efficientnet_lite0", params)
        try:
            list(map_parallel(extract_features, [task], num_workers=1))
        finally:
            torch.set_num_threads(1)
        stored.append(target.read_bytes())
    assert stored[0] == stored[1]
