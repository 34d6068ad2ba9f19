"""What the backbone sees of flow: colours for its direction, gray for its magnitude."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from varml.config.params import Features
from varml.flow.store import compand
from varml.models.backbones import Backbone, build_backbone
from varml.models.features import features_of, flow_input
from varml.models.flow_images import flow_channels, flow_images, standardise_flow

BOUND_PX = 16.0


def constant_flow(u_px: float, v_px: float) -> npt.NDArray[np.uint8]:
    return compand(np.full((1, 1, 4, 6, 2), (u_px, v_px), dtype=np.float32), BOUND_PX)


def colours(packed: npt.NDArray[np.uint8], kind: str) -> list[float]:
    """Return the one value of each channel of a plain image."""
    (image,) = flow_images(packed, kind)
    values = [channel.unique().tolist() for channel in image]
    assert all(len(value) == 1 for value in values)
    return [value[0] for value in values]


@pytest.mark.parametrize(("kind", "expected"), [("direction", [0.5, 0.5, 0]), ("magnitude", [0, 0, 0])])
def test_rest_is_the_middle_of_both_directions_and_no_magnitude(kind: str, expected: list[float]) -> None:
    assert colours(constant_flow(0, 0), kind) == expected


@pytest.mark.parametrize(
    ("u_px", "v_px", "expected"),
    [
        (2, 0, (0.75, 0.5, 0.5 / 2**0.5)),  # the square root of 2 / 8 is a half
        (-2, 0, (0.25, 0.5, 0.5 / 2**0.5)),
        (0, 2, (0.5, 0.75, 0.5 / 2**0.5)),
        (8, -8, (1, 0, 1)),
        (99, -99, (1, 0, 1)),  # clipped
    ],
)
def test_direction_raises_its_own_colour_and_is_full_at_half_of_the_bound(
    u_px: float, v_px: float, expected: tuple[float, float, float]
) -> None:
    assert colours(constant_flow(u_px, v_px), "direction") == pytest.approx(expected, abs=1 / 127)


@pytest.mark.parametrize(
    ("u_px", "v_px", "expected"),
    [(4, 0, 0.5 / 2**0.5), (-4, 0, 0.5 / 2**0.5), (4, -4, 0.5), (16, 16, 1), (99, -99, 1)],
)
def test_magnitude_is_gray_whatever_the_direction(u_px: float, v_px: float, expected: float) -> None:
    assert colours(constant_flow(u_px, v_px), "magnitude") == pytest.approx([expected] * 3, abs=1 / 127)


def test_both_shows_each_step_twice_in_the_order_of_time() -> None:
    steps = np.concatenate([constant_flow(2, 0), constant_flow(0, -8)])
    both = flow_images(steps, "both")
    assert both.shape == (4, 3, 4, 6)
    direction, magnitude = flow_images(steps, "direction"), flow_images(steps, "magnitude")
    assert torch.equal(both, torch.stack([direction[0], magnitude[0], direction[1], magnitude[1]]))
    assert len(both.flatten(1).unique(dim=0)) == 4


def test_a_stack_holds_u_and_v_of_each_step_of_a_segment_in_turn() -> None:
    # Two segments of two steps: (2, 0), (0, -8) and (-2, 2), (0, 0).
    steps = [[constant_flow(2, 0), constant_flow(0, -8)], [constant_flow(-2, 2), constant_flow(0, 0)]]
    stack = flow_images(np.concatenate([np.concatenate(segment, axis=1) for segment in steps]), "stack")
    assert stack.shape == (2, 4, 4, 6)
    values = [[channel.unique().item() for channel in image] for image in stack]
    assert values[0] == pytest.approx([0.75, 0.5, 0.5, 0], abs=1 / 127)
    assert values[1] == pytest.approx([0.25, 0.75, 0.5, 0.5], abs=1 / 127)


@pytest.mark.parametrize(("kind", "num_channels"), [("direction", 3), ("magnitude", 3), ("both", 3), ("stack", 10)])
def test_images_have_the_channels_that_are_promised(kind: str, num_channels: int) -> None:
    steps = np.concatenate([constant_flow(1, 1)] * 5, axis=1)
    assert flow_images(steps, kind).shape[1] == num_channels == flow_channels(kind, frames_per_segment=6)


def test_flow_has_a_standardisation_of_its_own() -> None:
    steps = [flow_images(constant_flow(u_px, 0), "direction") for u_px in (-8, -2, 0, 2, 8)]
    values = [standardise_flow(images)[0, :2, 0, 0].tolist() for images in steps]
    assert [v for _, v in values] == [0] * 5
    assert [u for u, _ in values] == pytest.approx([-1, -0.5, 0, 0.5, 1], abs=1.5 / 127)
    # By ImageNet's mean and std rest would not be 0.
    assert build_backbone("test_efficientnet", 64, None).standardise(torch.full((1, 3, 1, 1), 0.5)).abs().min() > 0.01


def test_params_choose_what_the_backbone_is_shown(tiny_backbone: Backbone) -> None:
    rng = np.random.default_rng(0)
    packed = compand(rng.normal(0, 3, (2, 2, 40, 48, 2)).astype(np.float32), BOUND_PX)
    turned = (0 - packed.astype(int)).astype(np.uint8)  # each displacement the other way: 128 is rest
    by_kind = {}
    for kind in ("direction", "magnitude", "both"):
        params = Features(image_size_px=64, grid_size=2, flow_images=kind, weights={})
        by_kind[kind] = [features_of(tiny_backbone, flow_input(one, params), params) for one in (packed, turned)]
    assert {kind: len(features) for kind, (features, _) in by_kind.items()} == {
        "direction": 4,
        "magnitude": 4,
        "both": 8,
    }
    assert not np.allclose(*by_kind["direction"], atol=1e-2)
    assert np.allclose(*by_kind["magnitude"], atol=1e-2)
    assert np.allclose(by_kind["both"][0][::2], by_kind["direction"][0], atol=1e-2)
    assert np.allclose(by_kind["both"][0][1::2], by_kind["magnitude"][0], atol=1e-2)
