"""What a view shows of a video: windows by hand, the mirror and the crop together, and clips as steps of features."""

from __future__ import annotations

from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import SHIPPED, TINY, build

from varml.config.params import Attention, Features, FlowImages, Model, Pooling, Views
from varml.config.views import PLAIN, View, list_views
from varml.flow.store import ZERO, PackedFlow, cropped
from varml.models.attention import attention_kinds
from varml.models.backbones import Backbone
from varml.models.ensemble import Ensemble, Member, compute_inputs
from varml.models.features import compute_features, stream_backbones
from varml.models.fusion import fusions
from varml.models.model_files import LoadedModel
from varml.models.recognizer import Recognizer
from varml.models.views import crop_window, see, steps_of_clip
from varml.video.reader import Frames

WIDE, UPRIGHT, SQUARE = (2, 5), (6, 2), (3, 3)
PARAMS = SHIPPED.features.model_copy(update={"image_size_px": 64})
SWAPPED = [1, 0, 2]


def numbered(height: int, width: int) -> tuple[Frames, PackedFlow]:
    """Return a segment of two frames whose pixels tell their places, 10 y + x, in the picture as in u and v."""
    places = np.add.outer(10 * np.arange(height), np.arange(width)).astype(np.uint8)  # (H, W)
    frames = np.broadcast_to(places[None, None, :, :, None], (1, 2, height, width, 3))
    return frames, np.concatenate([ZERO + places, places + 1])[None, None, ..., None]  # u to the right


def picture(frames: Frames) -> list[list[int]]:
    return frames[0, 0, :, :, 0].tolist()


def components(flow: PackedFlow) -> tuple[list[list[int]], list[list[int]]]:
    u, v = np.split(flow[0, 0, :, :, 0].astype(int), 2)
    return (u - ZERO).tolist(), (v - 1).tolist()


@pytest.mark.parametrize(
    ("size", "crop", "expected"),
    [
        (WIDE, 0, [[0, 1], [10, 11]]),
        (WIDE, 1, [[1, 2], [11, 12]]),  # three columns are left, one before and two behind
        (WIDE, 2, [[3, 4], [13, 14]]),
        (UPRIGHT, 0, [[0, 1], [10, 11]]),
        (UPRIGHT, 1, [[20, 21], [30, 31]]),
        (UPRIGHT, 2, [[40, 41], [50, 51]]),
        *((SQUARE, crop, [[0, 1, 2], [10, 11, 12], [20, 21, 22]]) for crop in range(3)),
    ],
)
def test_a_crop_is_a_square_of_frames_and_of_flow_alike(
    size: tuple[int, int], crop: int, expected: list[list[int]]
) -> None:
    frames, flow = see(*numbered(*size), View(crop))
    assert picture(frames) == expected
    assert components(flow) == (expected, expected)  # u and v of these pixels, in pixels as before


def test_the_mirror_comes_before_the_crop() -> None:
    frames, flow = see(*numbered(*WIDE), View(crop=0, mirrored=True))
    expected = [[4, 3], [14, 13]]  # what lies on the right
    assert picture(frames) == expected
    assert components(flow) == ([[-4, -3], [-14, -13]], expected)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2))
def test_windows_are_squares_that_reach_from_end_to_end(height: int, width: int, crop: int) -> None:
    rows, columns = crop_window(height, width, crop)
    side, longer = min(height, width), rows if height > width else columns
    assert rows.stop - rows.start == columns.stop - columns.start == side
    assert 0 <= rows.start <= rows.stop <= height
    assert 0 <= columns.start <= columns.stop <= width
    assert longer.start == [0, (max(height, width) - side) // 2, max(height, width) - side][crop]


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([None, 0, 1, 2]))
def test_a_view_of_a_mirrored_video_is_the_mirrored_view_of_the_video(
    height: int, width: int, crop: int | None
) -> None:
    video = numbered(height, width)
    turned = see(*video, View(mirrored=True))
    for mirrored in (False, True):
        one, other = see(*turned, View(crop, mirrored=mirrored)), see(*video, View(crop, mirrored=not mirrored))
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_all_rows_and_columns_are_all_flow() -> None:
    _, flow = numbered(*WIDE)
    assert np.array_equal(cropped(flow, slice(None), slice(None)), flow)


# Clips.


def test_a_clip_has_every_third_segment_of_the_video() -> None:
    frames = np.arange(6, dtype=np.uint8)[:, None, None, None, None]
    for clip, segments in enumerate([[0, 3], [1, 4], [2, 5]]):
        seen, flow = see(frames, frames, View(clip=clip, num_clips=3))
        assert seen.ravel().tolist() == flow.ravel().tolist() == segments


@pytest.mark.parametrize(
    ("per_segment", "expected"),
    [(1, [[0, 2], [1, 3]]), (2, [[0, 1, 4, 5], [2, 3, 6, 7]]), (3, [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11]])],
)
def test_all_steps_of_its_segments_belong_to_a_clip(per_segment: int, expected: list[list[int]]) -> None:
    steps = np.arange(4 * per_segment).reshape(1, -1, 1, 1).repeat(2, axis=0).astype(np.float16)  # two videos
    for clip, wanted in enumerate(expected):
        seen = steps_of_clip(steps, View(clip=clip, num_clips=2), num_segments=4)
        assert seen[..., 0, 0].tolist() == [wanted, wanted]
    assert steps_of_clip(steps, PLAIN, num_segments=4) is steps


def random_video(height: int, width: int, num_segments: int = 4, num_frames: int = 3) -> tuple[Frames, PackedFlow]:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (num_segments, num_frames, height, width, 3), dtype=np.uint8)
    # 0, which no estimator gives, has no opposite in eight bits.
    return frames, rng.integers(1, 256, (num_segments, num_frames - 1, 2 * height, width, 1), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["direction", "both", "stack"])
@pytest.mark.parametrize("num_clips", [2, 4])
def test_steps_of_stored_features_are_the_features_of_a_clip(kind: FlowImages, num_clips: int) -> None:
    params = Features(image_size_px=64, grid_size=2, flow_images=kind, weights={})
    video = random_video(40, 50)
    torch.manual_seed(0)
    backbones = stream_backbones(TINY, params, 3, None)
    whole = compute_features(backbones, *video, params)
    assert len(whole["flow"]) == {"direction": 8, "both": 16, "stack": 4}[kind]
    for view in (View(clip=clip, num_clips=num_clips) for clip in range(num_clips)):
        alone = compute_features(backbones, *see(*video, view), params)
        for stream, values in alone.items():
            steps = steps_of_clip(whole[stream], view, 4)
            assert steps.shape == values.shape
            assert steps == pytest.approx(values, rel=1e-2, abs=1e-2)  # another batch may round otherwise


@pytest.mark.parametrize("fusion", fusions.names())
@pytest.mark.parametrize("kind", attention_kinds.names())
@pytest.mark.parametrize("pooling", get_args(Pooling))
def test_every_recogniser_is_made_for_the_few_steps_of_a_clip(fusion: str, kind: str, pooling: Pooling) -> None:
    model = Model(
        backbone=TINY, attention=Attention(kind=kind, depth=1, num_heads=2), pooling=pooling, fusion=fusion, width=8,
        dropout=0.0,
    )  # fmt: skip
    for steps in ({"rgb": 1, "flow": 2}, {"rgb": 3, "flow": 3}):
        recognizer = Recognizer(model, dim=5, num_steps=steps, num_cells=4, num_classes=3)
        logits = recognizer({stream: torch.randn(2, number, 4, 5) for stream, number in steps.items()})
        logits.sum().backward()
        assert logits.shape == (2, 3)
        times = {name: p for name, p in recognizer.named_parameters() if name.endswith("position.time")}
        made_for = {f"encoders.{stream}.position.time": steps[stream] for stream in recognizer.streams}
        assert {name: len(p) for name, p in times.items()} == made_for
        assert all(p.grad is not None for p in times.values())


# Answers.


def answering_on(model: LoadedModel, views: Views, mirror: bool) -> Ensemble:
    (recognizer,), (member,) = model.recognizers, model.description.members
    return Ensemble([Member(recognizer, 1.0, member.backbones, list_views(views, mirror))], 1.0, SWAPPED)


def answer(ensemble: Ensemble, backbone: Backbone, video: tuple[Frames, PackedFlow]) -> npt.NDArray[np.float32]:
    features = compute_inputs(ensemble.inputs, {TINY: backbone}, *video, PARAMS)
    return ensemble.predict({one: values[None] for one, values in features.items()})[0]


@pytest.fixture
def timeless(tiny_backbone: Backbone, model: Model) -> LoadedModel:
    """A model that takes any number of steps."""
    return build(tiny_backbone, model.model_copy(update={"attention": Attention(depth=0, num_heads=2)}))


def test_three_crops_of_a_square_video_are_the_whole_of_it(tiny_backbone: Backbone, timeless: LoadedModel) -> None:
    square, wide = random_video(40, 40), random_video(40, 60)
    whole, crops = (answering_on(timeless, Views(num_crops=n), mirror=True) for n in (1, 3))
    assert answer(crops, tiny_backbone, square) == pytest.approx(answer(whole, tiny_backbone, square), abs=1e-6)
    assert answer(crops, tiny_backbone, wide) != pytest.approx(answer(whole, tiny_backbone, wide), abs=1e-6)


@pytest.mark.parametrize("num_crops", [1, 3])
@pytest.mark.parametrize("num_clips", [1, 2])
def test_a_video_in_a_mirror_gets_the_answer_with_its_classes_swapped(
    tiny_backbone: Backbone, timeless: LoadedModel, num_crops: int, num_clips: int
) -> None:
    video = random_video(40, 61)
    turned = see(*video, View(mirrored=True))
    views = Views.model_validate({"num_crops": num_crops, "num_clips": num_clips})
    both, plain = (answering_on(timeless, views, mirror) for mirror in (True, False))
    expected = answer(both, tiny_backbone, video)[SWAPPED]
    assert answer(both, tiny_backbone, turned) == pytest.approx(expected, abs=1e-6)
    assert answer(plain, tiny_backbone, turned) != pytest.approx(answer(plain, tiny_backbone, video)[SWAPPED], abs=1e-6)


def test_clips_of_a_video_in_which_nothing_changes_answer_as_all_of_it(
    tiny_backbone: Backbone, timeless: LoadedModel
) -> None:
    frames, flow = random_video(40, 50, num_segments=1)
    still = frames.repeat(4, axis=0), flow.repeat(4, axis=0)
    whole, clips = (answering_on(timeless, Views(num_clips=n), mirror=False) for n in (1, 2))
    assert len(clips.inputs) == 2 * len(whole.inputs)
    assert answer(clips, tiny_backbone, still) == pytest.approx(answer(whole, tiny_backbone, still), abs=1e-6)
    moving = random_video(40, 50)
    assert answer(clips, tiny_backbone, moving) != pytest.approx(answer(whole, tiny_backbone, moving), abs=1e-6)


def test_clips_cost_no_look(tiny_backbone: Backbone, timeless: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    look = tiny_backbone.feature_map

    def counted(images: torch.Tensor) -> torch.Tensor:
        looks.append(len(images))
        return look(images)

    monkeypatch.setattr(tiny_backbone, "feature_map", counted)
    answer(answering_on(timeless, Views(num_clips=4), mirror=False), tiny_backbone, random_video(40, 50))
    assert sorted(looks) == [4, 8]  # all segments of RGB at once, all steps of flow at once
