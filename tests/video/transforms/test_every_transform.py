"""One contract for every registered transform of clips."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import pytest
import torch

from varml.video.transforms.augment import augment, in_order
from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.transform import ClipTransform, transforms

Seeded = Callable[[int], torch.Generator]
NAMES = transforms.names()
PLACES = [name for name in NAMES if transforms[name].kind == "place"]
COLOURS = [name for name in NAMES if transforms[name].kind == "colour"]
FULL = 1.0
# DIS is right to a small part of a pixel inside, and knows nothing at the border.
BORDER_PX, TOLERANCE_PX = 18, 0.15


def same(one: ClipTensors, other: ClipTensors) -> bool:
    return all(torch.equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def draws(transform: ClipTransform, clip: ClipTensors, strength: float, seeded: Seeded, num: int) -> list[ClipTensors]:
    return [transform(clip, strength, seeded(seed)) for seed in range(num)]


def changed(name: str, clip: ClipTensors, seeded: Seeded) -> ClipTensors:
    """Return the draw at full strength that differs most from ``clip``."""
    made = draws(transforms[name](), clip, FULL, seeded, 32)
    return max(made, key=lambda one: float((one.flow - clip.flow).abs().mean() + (one.rgb - clip.rgb).abs().mean()))


def estimated(rgb: torch.Tensor) -> torch.Tensor:
    """Return the flow that OpenCV's DIS finds between the first two frames of the first segment, (2, H, W) px."""
    gray = [
        cv2.cvtColor((frame.permute(1, 2, 0) * 255).round().byte().numpy(), cv2.COLOR_RGB2GRAY) for frame in rgb[0, :2]
    ]
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)
    return torch.from_numpy(dis.calc(*gray, None)).permute(2, 0, 1)


def error_inside(clip: ClipTensors) -> float:
    """Return the median distance, in px, of the flow of a clip from the flow of its frames, away from the border."""
    distance = (clip.flow[0, 0] - estimated(clip.rgb)).norm(dim=0)
    return float(distance[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX].median())


def test_all_that_was_asked_for_is_registered() -> None:
    assert {
        "random_resized_crop", "horizontal_flip", "rotation", "shear", "colour_jitter", "grayscale", "blur", "erasing",
        "temporal_jitter", "speed_change",
    } <= set(NAMES)  # fmt: skip


@pytest.mark.parametrize("strength", [0.3, FULL])
@pytest.mark.parametrize("name", NAMES)
def test_a_strength_over_zero_changes_the_clip(name: str, strength: float, clip: ClipTensors, seeded: Seeded) -> None:
    made = draws(transforms[name](), clip, strength, seeded, 64)
    assert not all(same(one, clip) for one in made)
    if transforms[name].kind != "time":
        assert not all(torch.equal(one.rgb, clip.rgb) for one in made)


@pytest.mark.parametrize("name", NAMES)
def test_strength_zero_changes_no_pixel(name: str, clip: ClipTensors, seeded: Seeded) -> None:
    for one in draws(transforms[name](), clip, 0.0, seeded, 16):
        # Of the 256 levels none is another; what is resampled may round in the last bits of its float.
        assert torch.equal((255 * one.rgb).round(), (255 * clip.rgb).round())
        assert torch.allclose(one.flow, clip.flow, atol=1e-4)
        assert torch.equal(one.label, clip.label)


@pytest.mark.parametrize("name", NAMES)
def test_all_frames_are_changed_alike(name: str, still: ClipTensors, seeded: Seeded) -> None:
    for one in draws(transforms[name](), still, FULL, seeded, 16):
        assert torch.equal(one.rgb, one.rgb[:1, :1].expand_as(one.rgb))
        assert not one.flow.any()


@pytest.mark.parametrize("name", NAMES)
def test_shapes_types_ranges_and_labels_are_kept(name: str, clip: ClipTensors, seeded: Seeded) -> None:
    for one in draws(transforms[name](), clip, FULL, seeded, 16):
        assert [(t.shape, t.dtype) for t in vars(one).values()] == [(t.shape, t.dtype) for t in vars(clip).values()]
        assert one.rgb.min() >= -1e-6
        assert one.rgb.max() <= 1 + 1e-6
        assert one.flow.isfinite().all()
        # A mirror alone may change the label, and to nothing but the class that the mirror shows.
        expected = [clip.label] if name != "horizontal_flip" else [clip.label, clip.label[clip.mirror]]
        assert any(torch.equal(one.label, label) for label in expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_clip_that_was_given_stays_as_it_is(name: str, clip: ClipTensors, seeded: Seeded) -> None:
    before = ClipTensors(*(tensor.clone() for tensor in vars(clip).values()))
    draws(transforms[name](), clip, FULL, seeded, 16)
    assert same(clip, before)


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_is_all_that_chance_comes_from(name: str, clip: ClipTensors, seeded: Seeded) -> None:
    first = draws(transforms[name](), clip, FULL, seeded, 16)
    torch.manual_seed(99)
    again = draws(transforms[name](), clip, FULL, seeded, 16)
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert any(not same(first[0], other) for other in first[1:])


@pytest.mark.parametrize("name", PLACES)
def test_the_flow_goes_where_the_frames_go(name: str, clip: ClipTensors, seeded: Seeded) -> None:
    assert error_inside(clip) < TOLERANCE_PX
    made = changed(name, clip, seeded)
    assert error_inside(made) < TOLERANCE_PX
    # The flow of before is wrong for it, so that the test sees a flow that was left behind.
    assert error_inside(made.with_images(made.rgb, clip.flow)) > 2 * TOLERANCE_PX


@pytest.mark.parametrize("name", COLOURS)
def test_colours_leave_flow_alone(name: str, clip: ClipTensors, seeded: Seeded) -> None:
    made = changed(name, clip, seeded)
    assert not torch.equal(made.rgb, clip.rgb)
    assert torch.equal(made.flow, clip.flow)


def test_augmentation_at_zero_is_the_clip_itself(clip: ClipTensors, seeded: Seeded) -> None:
    assert augment(clip, 0.0, seeded(0)) is clip


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_out_of_range_is_refused(strength: float, clip: ClipTensors, seeded: Seeded) -> None:
    with pytest.raises(ValueError, match="it must be from 0 to 1"):
        augment(clip, strength, seeded(0))


def test_augmentation_is_all_of_them_and_repeats_itself(clip: ClipTensors, seeded: Seeded) -> None:
    assert sorted(type(transform).__name__ for transform in in_order()) == sorted(transforms[n].__name__ for n in NAMES)
    assert same(augment(clip, 0.5, seeded(3)), augment(clip, 0.5, seeded(3)))
    assert not same(augment(clip, 0.5, seeded(3)), augment(clip, 0.5, seeded(4)))


def test_more_strength_changes_more(clip: ClipTensors, seeded: Seeded) -> None:
    def change(strength: float) -> float:
        return sum(float((augment(clip, strength, seeded(s)).rgb - clip.rgb).abs().mean()) for s in range(16))

    assert 0 < change(0.05) < change(0.3) < change(1.0)


def test_times_come_first_and_colours_last() -> None:
    kinds = [transform.kind for transform in in_order()]
    assert kinds == sorted(kinds, key=["time", "place", "cover", "colour"].index)
