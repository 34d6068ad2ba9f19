"""The learning test: real frames through flow, backbone and training, where one cue alone tells the classes apart.

Each video of a class has its twin in the other class. In the motion task the twins differ in the direction of
motion inside the segments and show the same middle frames; in the order task they show the same still segments in
opposite order. So whatever cannot see the cue answers both twins alike, and is right for exactly one of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from varml.config.params import Attention, Features, Flow, Model, Train
from varml.config.views import PLAIN
from varml.data.dataset import FeatureSet
from varml.flow.store import FlowTask, clip_flow, expand, extract_flow
from varml.metrics.classification import accuracy
from varml.models.attention import attention_kinds
from varml.models.backbones import Backbone, build_backbone
from varml.models.features import compute_features
from varml.training.augmented import AugmentedFeatures, AugmentedImages
from varml.training.clips import ClipSet, as_stored
from varml.training.loop import fit, predict
from varml.video.pack import write_pack
from varml.video.transforms.clip_tensors import ClipTensors, clip_tensors
from varml.video.transforms.horizontal_flip import mirrored

SIZE_PX = 64
NUM_TWINS = 24
NUM_TRAINING = 2 * 16  # the rest is for testing
NUM_SEGMENTS = 3
BACKBONE = "tf_efficientnet_lite0"
FEATURES = Features(image_size_px=SIZE_PX, grid_size=2, flow_images="direction", weights={})
FLOW = Flow(estimator="dis", bound_px=16, jpeg_quality=95)
TRAIN = Train(num_epochs=40, batch_size=8, lr=3e-3, weight_decay=0.05, label_smoothing=0.1, balance="none", augment=0)
WELL_ABOVE_CHANCE = 0.9
FLOW_MODEL = Model(backbone=BACKBONE, attention=Attention(depth=0, num_heads=2), fusion="flow", width=32, dropout=0.1)

Frames = npt.NDArray[np.uint8]


def texture(rng: np.random.Generator) -> Frames:
    coarse = rng.integers(0, 256, (SIZE_PX // 8, SIZE_PX // 8, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


def moving(rng: np.random.Generator) -> Frames:
    """Return a texture that moves to the right inside each segment, (S, 3, H, W, 3)."""
    segments = [texture(rng) for _ in range(NUM_SEGMENTS)]
    return np.stack([np.stack([np.roll(still, 3 * step, axis=1) for step in (-1, 0, 1)]) for still in segments])


def dawning(rng: np.random.Generator) -> Frames:
    """Return still segments that grow brighter from one to the next, (S, 3, H, W, 3)."""
    stills = [(texture(rng) * brightness).astype(np.uint8) for brightness in np.geomspace(0.15, 1, NUM_SEGMENTS)]
    return np.stack([np.stack([still] * 3) for still in stills])


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    torch.set_num_threads(1)
    return build_backbone(BACKBONE, SIZE_PX, {})


def task(backbone: Backbone, pairs: list[tuple[Frames, Frames]]) -> tuple[FeatureSet, FeatureSet]:
    """Return the features of training and of testing; twins stand side by side."""
    videos = [frames for pair in pairs for frames in pair]
    made = [
        compute_features({"rgb": backbone, "flow": backbone}, frames, clip_flow(frames, FLOW), FEATURES)
        for frames in videos
    ]
    features = {stream: np.stack([one[stream] for one in made]) for stream in ("rgb", "flow")}
    names = [str(number) for number in range(len(videos))]
    whole = FeatureSet(names, {PLAIN: features}, np.arange(len(videos)) % 2, names, ["forwards", "backwards"])
    return whole.subset(np.arange(NUM_TRAINING)), whole.subset(np.arange(NUM_TRAINING, len(videos)))


@pytest.fixture(scope="module")
def motion(backbone: Backbone) -> tuple[FeatureSet, FeatureSet]:
    rng = np.random.default_rng(0)
    videos = [moving(rng) for _ in range(NUM_TWINS)]
    return task(backbone, [(video, np.ascontiguousarray(video[:, ::-1])) for video in videos])


@pytest.fixture(scope="module")
def order(backbone: Backbone) -> tuple[FeatureSet, FeatureSet]:
    rng = np.random.default_rng(1)
    videos = [dawning(rng) for _ in range(NUM_TWINS)]
    return task(backbone, [(video, np.ascontiguousarray(video[::-1])) for video in videos])


def top1_of(sets: tuple[FeatureSet, FeatureSet], fusion: str, depth: int, kind: str = "temporal") -> float:
    attention = Attention(kind=kind, depth=depth, num_heads=2)
    model = Model(backbone=BACKBONE, attention=attention, fusion=fusion, width=32, dropout=0.1)
    training, testing = sets
    return accuracy(testing.labels, predict(fit(training, model, TRAIN, seed=0), testing))


@pytest.mark.parametrize("fusion", ["flow", "concat", "late", "cross_attention", "early", "gated"])
def test_flow_tells_the_direction_of_motion(motion: tuple[FeatureSet, FeatureSet], fusion: str) -> None:
    assert top1_of(motion, fusion, depth=0) >= WELL_ABOVE_CHANCE


@pytest.mark.parametrize("depth", [0, 1])
def test_without_flow_the_direction_of_motion_is_a_guess(motion: tuple[FeatureSet, FeatureSet], depth: int) -> None:
    assert top1_of(motion, "rgb", depth) == 0.5


@pytest.mark.parametrize("kind", attention_kinds.names())
@pytest.mark.parametrize("depth", [1, 2])
def test_attention_over_time_tells_the_order(order: tuple[FeatureSet, FeatureSet], depth: int, kind: str) -> None:
    assert top1_of(order, "rgb", depth, kind) >= WELL_ABOVE_CHANCE


def test_without_attention_over_time_the_order_is_a_guess(order: tuple[FeatureSet, FeatureSet]) -> None:
    assert top1_of(order, "rgb", depth=0) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("depth", [0, 1])
def test_flow_does_not_tell_the_order_of_still_segments(order: tuple[FeatureSet, FeatureSet], depth: int) -> None:
    assert top1_of(order, "flow", depth) == 0.5


# Changed clips. The two directions of motion are mirror images of each other.

Change = Callable[[ClipTensors, int], ClipTensors]
MIRROR = [1, 0]


def motion_videos() -> list[Frames]:
    """Return the training videos of the motion task, forwards and backwards in turn."""
    rng = np.random.default_rng(0)
    forwards = [moving(rng) for _ in range(NUM_TRAINING // 2)]
    return [np.ascontiguousarray(turned) for video in forwards for turned in (video, video[:, ::-1])]


def changed_motion(backbone: Backbone, change: Change, mirror: list[int]) -> FeatureSet:
    """Return the features of the training videos of the motion task, each changed as clip number 0, 1, ..."""
    made, labels = [], []
    for number, frames in enumerate(motion_videos()):
        flow = expand(clip_flow(frames, FLOW), FLOW.bound_px)
        clip = change(clip_tensors(frames, flow, number % 2, 2, mirror), number)
        stored = as_stored(clip, FLOW.bound_px)
        made.append(compute_features({"rgb": backbone, "flow": backbone}, stored.frames, stored.flow, FEATURES))
        labels.append(int(clip.label.argmax()))
    features = {stream: np.stack([one[stream] for one in made]) for stream in ("rgb", "flow")}
    names = [f"changed {number}" for number in range(len(made))]
    return FeatureSet(names, {PLAIN: features}, np.array(labels), names, ["forwards", "backwards"])


@pytest.fixture(scope="module")
def stored_motion(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    """The training videos of the motion task, in files."""
    folder = tmp_path_factory.mktemp("stored")
    frames, flow = ([folder / f"{kind}{number}.pack" for number in range(NUM_TRAINING)] for kind in ("frames", "flow"))
    for video, path, target in zip(motion_videos(), frames, flow, strict=True):
        write_pack(path, video, FLOW.jpeg_quality)
        extract_flow(FlowTask(path, target, FLOW))
    return ClipSet(frames, flow, [number % 2 for number in range(NUM_TRAINING)], MIRROR, FLOW.bound_px)


def test_with_augmentation_the_weights_differ_and_the_direction_is_still_learned(
    backbone: Backbone, motion: tuple[FeatureSet, FeatureSet], stored_motion: ClipSet
) -> None:
    (training, testing), short = motion, TRAIN.model_copy(update={"num_epochs": 6})
    images = AugmentedImages(stored_motion, {"flow": backbone}, FEATURES, strength=0.5, seed=0, num_workers=0)
    source = AugmentedFeatures(images)
    unchanged, augmented = (fit(training, FLOW_MODEL, short, seed=0, source=which) for which in (None, source))
    weights = [torch.cat([p.flatten() for p in one.parameters()]) for one in (unchanged, augmented)]
    assert not torch.allclose(*weights, atol=1e-2)
    assert accuracy(testing.labels, predict(augmented, testing)) >= WELL_ABOVE_CHANCE


@pytest.mark.parametrize(("mirror", "right"), [(MIRROR, True), ([0, 1], False)])
def test_mirrored_clips_teach_the_truth_if_their_labels_are_swapped_and_else_its_opposite(
    backbone: Backbone, motion: tuple[FeatureSet, FeatureSet], mirror: list[int], right: bool
) -> None:
    training = changed_motion(backbone, lambda clip, _: mirrored(clip), mirror)
    top1 = accuracy(motion[1].labels, predict(fit(training, FLOW_MODEL, TRAIN, seed=0), motion[1]))
    assert (top1 if right else 1 - top1) >= WELL_ABOVE_CHANCE
