"""The learning test: real frames through flow, backbone and training, where one cue alone tells the classes apart.

Each video of a class has its twin in the other class. In the motion task the twins differ in the direction of
motion inside the segments and show the same middle frames; in the order task they show the same still segments in
opposite order. So whatever cannot see the cue answers both twins alike, and is right for exactly one of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from varml.config.params import Attention, Features, Flow, Model, Train
from varml.data.dataset import FeatureSet
from varml.flow.store import clip_flow
from varml.metrics.classification import accuracy
from varml.models.backbones import Backbone, build_backbone
from varml.models.features import compute_features
from varml.training.loop import fit, predict

SIZE_PX = 64
NUM_TWINS = 24
NUM_TRAINING = 2 * 16  # the rest is for testing
NUM_SEGMENTS = 3
BACKBONE = "tf_efficientnet_lite0"
FEATURES = Features(image_size_px=SIZE_PX, grid_size=2, weights={})
FLOW = Flow(estimator="dis", bound_px=16, jpeg_quality=95)
TRAIN = Train(num_epochs=40, batch_size=8, lr=3e-3, weight_decay=0.05, label_smoothing=0.1, balance="none")
WELL_ABOVE_CHANCE = 0.9

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
    made = [compute_features(backbone, frames, clip_flow(frames, FLOW), FEATURES) for frames in videos]
    features = {stream: np.stack([one[stream] for one in made]) for stream in ("rgb", "flow")}
    names = [str(number) for number in range(len(videos))]
    whole = FeatureSet(names, features, np.arange(len(videos)) % 2, names, ["forwards", "backwards"])
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


def top1_of(sets: tuple[FeatureSet, FeatureSet], fusion: str, depth: int) -> float:
    model = Model(
        backbone=BACKBONE, attention=Attention(depth=depth, num_heads=2), fusion=fusion, width=32, dropout=0.1
    )
    training, testing = sets
    return accuracy(testing.labels, predict(fit(training, model, TRAIN, seed=0), testing))


@pytest.mark.parametrize("fusion", ["flow", "concat", "late", "cross_attention"])
def test_flow_tells_the_direction_of_motion(motion: tuple[FeatureSet, FeatureSet], fusion: str) -> None:
    assert top1_of(motion, fusion, depth=0) >= WELL_ABOVE_CHANCE


@pytest.mark.parametrize("depth", [0, 1])
def test_without_flow_the_direction_of_motion_is_a_guess(motion: tuple[FeatureSet, FeatureSet], depth: int) -> None:
    assert top1_of(motion, "rgb", depth) == 0.5


@pytest.mark.parametrize("depth", [1, 2])
def test_attention_over_time_tells_the_order(order: tuple[FeatureSet, FeatureSet], depth: int) -> None:
    assert top1_of(order, "rgb", depth) >= WELL_ABOVE_CHANCE


def test_without_attention_over_time_the_order_is_a_guess(order: tuple[FeatureSet, FeatureSet]) -> None:
    assert top1_of(order, "rgb", depth=0) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("depth", [0, 1])
def test_flow_does_not_tell_the_order_of_still_segments(order: tuple[FeatureSet, FeatureSet], depth: int) -> None:
    assert top1_of(order, "flow", depth) == 0.5
