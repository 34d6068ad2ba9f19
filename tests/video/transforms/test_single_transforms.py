"""Each transform by numbers that can be had by hand."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, radians, sin, sqrt, tan

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from varml.errors import ConfigError
from varml.video.transforms.affine import affine
from varml.video.transforms.augment import in_order
from varml.video.transforms.blur import blurred
from varml.video.transforms.box import Box
from varml.video.transforms.clip_tensors import ClipTensors, clip_tensors
from varml.video.transforms.colour_jitter import recoloured
from varml.video.transforms.erasing import erased
from varml.video.transforms.grayscale import Grayscale
from varml.video.transforms.horizontal_flip import mirrored
from varml.video.transforms.random_resized_crop import LARGEST_CUT, draw_box, resized_crop
from varml.video.transforms.rotation import Rotation
from varml.video.transforms.speed_change import played
from varml.video.transforms.temporal_jitter import TemporalJitter, draw_places
from varml.video.transforms.transform import transforms

Seeded = Callable[[int], torch.Generator]
SIDE = 9
MIDDLE = SIDE // 2


def one_vector(u_px: float, v_px: float, num_frames: int = 2, num_segments: int = 1) -> ClipTensors:
    """Return black frames with one white pixel three right and one above the middle; everything moves alike."""
    frames = np.zeros((num_segments, num_frames, SIDE, SIDE, 3), np.uint8)
    frames[:, :, MIDDLE - 1, MIDDLE + 3] = 255
    flow = np.full((num_segments, num_frames - 1, SIDE, SIDE, 2), (u_px, v_px), np.float32)
    return clip_tensors(frames, flow, 0, 2, [1, 0])


def brightest(clip: ClipTensors) -> tuple[int, int]:
    """Return row and column of the brightest pixel."""
    return tuple(int(i) for i in np.unravel_index(int(clip.rgb[0, 0, 0].argmax()), (SIDE, SIDE)))  # type: ignore[return-value]


def vector_in_the_middle(clip: ClipTensors) -> list[float]:
    return clip.flow[0, 0, :, MIDDLE, MIDDLE].tolist()


# A clip of tensors.


def test_tensors_are_the_stored_arrays_with_channels_before_places() -> None:
    frames = np.zeros((2, 3, 4, 5, 3), np.uint8)
    frames[1, 2, 3, 4, 0] = 255
    flow = np.zeros((2, 2, 4, 5, 2), np.float32)
    flow[1, 1, 3, 4, 1] = -2.5
    clip = clip_tensors(frames, flow, 1, 3)
    assert (clip.rgb.shape, clip.flow.shape) == ((2, 3, 3, 4, 5), (2, 2, 2, 4, 5))
    assert clip.rgb[1, 2, 0, 3, 4] == clip.rgb.sum() == 1
    assert clip.flow[1, 1, 1, 3, 4] == clip.flow.sum() == -2.5
    assert (clip.label.tolist(), clip.mirror.tolist()) == ([0, 1, 0], [0, 1, 2])


@pytest.mark.parametrize("shape", [(2, 3, 4, 5, 2), (2, 2, 5, 4, 2), (1, 2, 4, 5, 2), (2, 2, 4, 5, 3)])
def test_flow_of_other_frames_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="does not belong to frames"):
        clip_tensors(np.zeros((2, 3, 4, 5, 3), np.uint8), np.zeros(shape, np.float32), 0, 2)


# Places.


def test_a_mirror_negates_u_and_swaps_the_label() -> None:
    made = mirrored(one_vector(2, 1))
    assert brightest(made) == (MIDDLE - 1, MIDDLE - 3)
    assert vector_in_the_middle(made) == [-2, 1]
    assert made.label.tolist() == [0, 1]


def test_a_mirror_keeps_the_label_of_a_class_without_a_pair(clip: ClipTensors) -> None:
    middle = ClipTensors(clip.rgb, clip.flow, torch.tensor([0.0, 0.25, 0.75]), clip.mirror)
    assert mirrored(middle).label.tolist() == [0.75, 0.25, 0]


def test_two_mirrors_are_none(clip: ClipTensors) -> None:
    twice = mirrored(mirrored(clip))
    assert all(torch.equal(a, b) for a, b in zip(vars(twice).values(), vars(clip).values(), strict=True))


def test_a_quarter_turn_carries_right_to_down() -> None:
    made = affine(one_vector(2, 1), clockwise_deg=90)
    # Three right and one above becomes three below and one right.
    assert brightest(made) == (MIDDLE + 3, MIDDLE + 1)
    assert vector_in_the_middle(made) == pytest.approx([-1, 2])


@given(st.floats(-180, 180), st.floats(-5, 5), st.floats(-5, 5))
def test_a_turn_turns_vectors_and_keeps_their_length(degrees: float, u: float, v: float) -> None:
    turned = vector_in_the_middle(affine(one_vector(u, v), clockwise_deg=degrees))
    c, s = cos(radians(degrees)), sin(radians(degrees))
    assert turned == pytest.approx([c * u - s * v, s * u + c * v], abs=1e-4)
    assert np.hypot(*turned) == pytest.approx(np.hypot(u, v), abs=1e-4)


@given(st.floats(-45, 45), st.floats(-5, 5), st.floats(-5, 5))
def test_a_slant_moves_vectors_along_x_by_their_height(degrees: float, u: float, v: float) -> None:
    assert vector_in_the_middle(affine(one_vector(u, v), shear_deg=degrees)) == pytest.approx(
        [u - v * tan(radians(degrees)), v], abs=1e-4
    )


def test_a_slant_by_45_degrees_moves_a_pixel_by_its_height() -> None:
    # One above the middle moves one to the right.
    assert brightest(affine(one_vector(0, 0), shear_deg=45)) == (MIDDLE - 1, MIDDLE + 4)


def test_a_scale_scales_vectors() -> None:
    made = resized_crop(one_vector(2, 1), Box(top=0, left=0, height=3, width=6))
    assert made.size_px == (SIDE, SIDE)
    assert vector_in_the_middle(made) == pytest.approx([2 * 9 / 6, 1 * 9 / 3])


def test_the_crop_of_the_flow_is_the_flow_of_the_crop() -> None:
    frames = np.zeros((1, 2, 8, 8, 3), np.uint8)
    flow = np.zeros((1, 1, 8, 8, 2), np.float32)
    frames[:, :, 2:4, 4:6] = 255
    flow[:, :, 2:4, 4:6] = (1, 2)
    made = resized_crop(clip_tensors(frames, flow, 0, 2), Box(top=2, left=4, height=2, width=2))
    assert (made.rgb == 1).all()
    assert torch.equal(made.flow, torch.tensor([4.0, 8.0]).view(2, 1, 1).expand(1, 1, 2, 8, 8))


def test_a_crop_of_all_is_the_clip_itself(clip: ClipTensors) -> None:
    made = resized_crop(clip, Box(0, 0, *clip.size_px))
    assert torch.equal(made.rgb, clip.rgb)
    assert torch.equal(made.flow, clip.flow)


@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(1, 300), st.floats(0, 1))
def test_a_box_lies_in_the_picture_and_is_large_enough(seed: int, height: int, width: int, strength: float) -> None:
    box = draw_box((height, width), strength, torch.Generator().manual_seed(seed))
    assert 0 <= box.top <= box.top + box.height <= height
    assert 0 <= box.left <= box.left + box.width <= width
    # A stretched box is cut at the picture's border, so that it may keep less than the cut alone would.
    assert box.height >= sqrt((1 - LARGEST_CUT) * 3 / 4) * height - 0.5
    assert box.width >= sqrt((1 - LARGEST_CUT) * 3 / 4) * width - 0.5


# Covers.


def test_what_is_hidden_is_gray_in_every_frame_and_at_rest() -> None:
    before = one_vector(2, 1, num_frames=3, num_segments=2)
    made = erased(before, Box(top=1, left=2, height=3, width=4))
    inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[1:4, 2:6] = True
    assert (made.rgb[..., inside] == 0.5).all()
    assert (made.flow[..., inside] == 0).all()
    assert torch.equal(made.rgb[..., ~inside], before.rgb[..., ~inside])
    assert torch.equal(made.flow[..., ~inside], before.flow[..., ~inside])


# Colours.


def colours(*values: tuple[float, float, float]) -> torch.Tensor:
    """Return one frame a value, (1, F, 3, 1, 1)."""
    return torch.tensor(values).view(1, -1, 3, 1, 1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"brightness": 0.5}, [(0.6, 0.3, 0.15), (0.6, 0.6, 0.6)]),
        ({"saturation": -1.0}, [(0.2502, 0.2502, 0.2502), (0.4, 0.4, 0.4)]),  # 0.2989 R + 0.587 G + 0.114 B
        ({"contrast": -1.0}, [(0.3251, 0.3251, 0.3251)] * 2),  # the mean gray of both frames
        ({"hue": 1 / 3}, [(0.1, 0.4, 0.2), (0.4, 0.4, 0.4)]),  # red becomes green
    ],
)
def test_one_colour_change_at_a_time(change: dict[str, float], expected: list[tuple[float, float, float]]) -> None:
    none = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    made = recoloured(colours((0.4, 0.2, 0.1), (0.4, 0.4, 0.4)), **(none | change))
    assert torch.allclose(made, colours(*expected), atol=2e-3)


def test_equal_colours_stay_equal_in_frames_of_other_brightness() -> None:
    rgb = torch.full((1, 2, 3, 4, 4), 0.1)
    rgb[0, 1, :, 2:] = 0.9
    made = recoloured(rgb, brightness=0.1, contrast=0.3, saturation=0.2, hue=0.05)
    assert torch.equal(made[0, 0, :, 0, 0], made[0, 1, :, 0, 0])
    assert made[0, 1, 0, 0, 0] < made[0, 1, 0, 3, 0]


def test_gray_is_the_weighed_mean_of_the_channels(seeded: Seeded) -> None:
    rgb = colours((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    clip = ClipTensors(rgb, torch.zeros(1, 2, 2, 1, 1), torch.ones(1), torch.zeros(1, dtype=torch.int64))
    made = next(m for s in range(64) if not torch.equal((m := Grayscale()(clip, 1.0, seeded(s))).rgb, rgb))
    assert torch.allclose(made.rgb, colours((0.2989,) * 3, (0.587,) * 3, (0.114,) * 3), atol=1e-3)


def test_a_blurred_point_is_a_gaussian_and_keeps_its_sum() -> None:
    point = torch.zeros(1, 1, 3, 15, 15)
    point[..., 7, 7] = 1
    made = blurred(point, sigma_px=1.0)[0, 0, 0]
    assert float(made.sum()) == pytest.approx(1)
    assert float(made[7, 8] / made[7, 7]) == pytest.approx(float(np.exp(-0.5)), rel=1e-4)


@pytest.mark.parametrize("side", [1, 2, 5])
def test_a_small_picture_can_be_blurred(side: int) -> None:
    assert torch.allclose(blurred(torch.ones(1, 1, 3, side, side), sigma_px=2.0), torch.ones(1), atol=1e-5)


# Times.


def test_segments_move_by_at_most_one_place_and_never_back(seeded: Seeded) -> None:
    drawn = [draw_places(6, 0.5, seeded(seed)) for seed in range(200)]
    assert all((places - torch.arange(6)).abs().max() <= 1 and (places.diff() >= 0).all() for places in drawn)
    assert {int(places[2]) for places in drawn} == {1, 2, 3}
    assert draw_places(6, 0.0, seeded(0)).tolist() == list(range(6))


def test_frames_and_flow_of_a_segment_move_together(seeded: Seeded) -> None:
    frames = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1, 1) * np.ones((1, 2, 2, 2, 3), np.uint8)
    flow = np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1, 1) * np.ones((1, 1, 2, 2, 2), np.float32)
    clip = clip_tensors(frames, flow, 0, 2)
    for seed in range(16):
        made = TemporalJitter()(clip, 1.0, seeded(seed))
        assert torch.allclose(made.rgb[:, 0, 0, 0, 0] * 255, made.flow[:, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("speed", "frames", "vectors"),
    [
        (1.0, [0, 1, 2, 3, 4], [0, 1, 2, 3]),
        (2.0, [0, 0, 2, 4, 4], [0, 2, 4, 6]),
        (0.2, [2, 2, 2, 2, 2], [0.2, 0.2, 0.4, 0.4]),
    ],
)
def test_speed_spreads_frames_about_the_middle_and_scales_vectors(
    speed: float, frames: list[float], vectors: list[float]
) -> None:
    stored = np.arange(5, dtype=np.uint8).reshape(1, 5, 1, 1, 1) * np.ones((1, 1, 2, 2, 3), np.uint8)
    flow = np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1, 1) * np.ones((1, 1, 2, 2, 2), np.float32)
    made = played(clip_tensors(stored, flow, 0, 2), speed)
    assert (made.rgb[0, :, 0, 0, 0] * 255).round().tolist() == frames
    assert made.flow[0, :, 0, 0, 0].tolist() == pytest.approx(vectors)


def test_a_transform_of_no_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(Rotation):
        kind = "plaice"

    monkeypatch.setitem(transforms._entries, "odd", Odd)
    with pytest.raises(ConfigError, match=r"the clip transform odd = 'plaice': its kind must be time, place, cover"):
        in_order()
