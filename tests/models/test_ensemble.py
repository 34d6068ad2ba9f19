"""Several recognisers as one: the mean of what they say, at a temperature; one alone is itself to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny_model import CLASSES, NUM_STEPS, SHIPPED, TINY, build, build_ensemble

from varml.config.params import Model
from varml.flow.store import PackedFlow
from varml.models.backbones import Backbone
from varml.models.description import BackboneDescription
from varml.models.ensemble import BATCH, Input, Member, compute_inputs, with_temperature
from varml.models.features import compute_features
from varml.models.model_files import LoadedModel
from varml.models.recognizer import Recognizer
from varml.video.reader import Frames

PARAMS = SHIPPED.features.model_copy(update={"image_size_px": 64})


def features_for(model: LoadedModel, num_videos: int = 5) -> dict[Input, np.ndarray]:
    rng = np.random.default_rng(3)
    dim = model.description.members[0].dim
    shapes = {one: (num_videos, NUM_STEPS[one.stream], 4, dim) for one in model.ensemble.inputs}
    return {one: rng.normal(size=shape).astype(np.float16) for one, shape in shapes.items()}


def said_by(recognizer: Recognizer, features: dict[Input, np.ndarray], part: slice = slice(None)) -> np.ndarray:
    with torch.inference_mode():
        seen = {one.stream: torch.from_numpy(array[part]).float() for one, array in features.items()}
        return recognizer(seen).softmax(-1).numpy()


@pytest.mark.parametrize("num_videos", [1, 5, BATCH + 2])
def test_one_member_says_what_it_says_alone_to_the_last_bit(
    tiny_backbone: Backbone, model: Model, num_videos: int
) -> None:
    single = build(tiny_backbone, model)
    features = features_for(single, num_videos)
    parts = [slice(start, start + BATCH) for start in range(0, num_videos, BATCH)]
    alone = [said_by(single.recognizers[0], features, part) for part in parts]
    assert np.array_equal(single.ensemble.predict(features), np.concatenate(alone))


@pytest.fixture
def pair(tiny_backbone: Backbone, model: Model) -> LoadedModel:
    flow = model.model_copy(update={"fusion": "flow"})
    return build_ensemble({TINY: tiny_backbone}, [(model, 0.75, {}, 0), (flow, 0.25, {}, 1)])


def test_members_are_averaged_by_their_shares(pair: LoadedModel) -> None:
    features = features_for(pair)
    first, second = (said_by(recognizer, features) for recognizer in pair.recognizers)
    assert not np.allclose(first, second)
    assert pair.ensemble.predict(features) == pytest.approx(0.75 * first + 0.25 * second, abs=1e-6)


def test_the_temperature_comes_after_the_mean_and_can_be_left_out(
    pair: LoadedModel, tiny_backbone: Backbone, model: Model
) -> None:
    members = [(m.model, m.weight, {}, seed) for seed, m in enumerate(pair.description.members)]
    warm = build_ensemble({TINY: tiny_backbone}, members, temperature=2.0)
    features = features_for(pair)
    mean = pair.ensemble.predict(features)
    roots = np.sqrt(mean)  # softmax(log p / 2)
    assert warm.ensemble.predict(features) == pytest.approx(roots / roots.sum(1, keepdims=True), abs=1e-6)
    assert np.array_equal(warm.ensemble.predict(features, calibrated=False), mean)


def test_a_batch_in_training_is_predicted_alike(pair: LoadedModel) -> None:
    features = features_for(pair)
    tensors = {one: torch.from_numpy(array).float() for one, array in features.items()}
    before = pair.ensemble.predict(features)
    pair.ensemble.train()
    assert np.array_equal(pair.ensemble.predict(features), before)
    with torch.inference_mode():
        assert pair.ensemble(tensors).numpy() == pytest.approx(before, abs=1e-6)


def test_a_certain_member_leaves_no_nan() -> None:
    class Certain(Recognizer):
        def __init__(self, place: int) -> None:
            torch.nn.Module.__init__(self)
            self.streams, self.place = ("rgb",), place

        def forward(self, features: Any) -> torch.Tensor:
            return torch.full((len(features["rgb"]), 2), -1e4).index_fill(1, torch.tensor([self.place]), 1e4)

    from varml.models.ensemble import Ensemble

    ensemble = Ensemble([Member(Certain(place), 0.5, {"rgb": "any"}) for place in (0, 1)], temperature=0.5)
    said = ensemble.predict({Input("any", "rgb"): np.zeros((3, 1, 1, 1), np.float32)})
    assert said == pytest.approx(np.full((3, 2), 0.5))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_temperature_of_logits_by_hand(temperature: float) -> None:
    logits = torch.tensor([[2.0, 0.0]])
    expected = 1 / (1 + np.exp(-2 / temperature))
    assert with_temperature(logits, temperature)[0, 0].item() == pytest.approx(expected)


# Features.


class Counting(Backbone):
    """A backbone that counts how often it looked."""

    num_looks = 0

    def feature_map(self, standardised: torch.Tensor) -> torch.Tensor:
        self.num_looks += 1
        return super().feature_map(standardised)


@pytest.fixture
def video() -> tuple[Frames, PackedFlow]:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 2, 40, 50, 3), dtype=np.uint8)
    return frames, rng.integers(0, 256, (2, 1, 80, 50, 1), dtype=np.uint8)


def test_features_are_those_of_compute_features(tiny_backbone: Backbone, video: tuple[Frames, PackedFlow]) -> None:
    inputs = [Input(TINY, "flow"), Input(TINY, "rgb")]
    computed = compute_inputs(inputs, {TINY: tiny_backbone}, *video, PARAMS)
    expected = compute_features({"rgb": tiny_backbone, "flow": tiny_backbone}, *video, PARAMS)
    assert {one.stream: a.tobytes() for one, a in computed.items()} == {s: a.tobytes() for s, a in expected.items()}


def test_members_that_share_a_backbone_share_what_it_sees(
    tiny_backbone: Backbone, model: Model, video: tuple[Frames, PackedFlow]
) -> None:
    counting = Counting(TINY, tiny_backbone.network, (0.5,) * 3, (0.5,) * 3, 64).eval()
    flow, late = (model.model_copy(update={"fusion": name}) for name in ("flow", "late"))
    several = build_ensemble(
        {TINY: counting}, [(model, 0.5, {}, 0), (flow, 0.25, {}, 1), (late, 0.25, {}, 2), (late, 0.25, {}, 3)]
    )
    counting.num_looks = 0
    computed = compute_inputs(several.ensemble.inputs, several.backbones, *video, PARAMS)
    assert counting.num_looks == 2  # RGB once, flow once
    assert set(computed) == {Input(TINY, "rgb"), Input(TINY, "flow")}


def test_a_stream_that_no_member_reads_is_not_computed(
    tiny_backbone: Backbone, model: Model, video: tuple[Frames, PackedFlow]
) -> None:
    flow = build(tiny_backbone, model.model_copy(update={"fusion": "flow"}))
    assert flow.ensemble.inputs == [Input(TINY, "flow")]
    assert set(compute_inputs(flow.ensemble.inputs, flow.backbones, *video, PARAMS)) == {Input(TINY, "flow")}


# Answers.


def test_an_answer_that_is_not_sure_enough_is_unknown(tiny_backbone: Backbone, model: Model) -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.2, 0.39, 0.41], [0.35, 0.4, 0.25]], dtype=np.float32)
    members = [(model, 1.0, {}, 0)]
    every, sure = (build_ensemble({TINY: tiny_backbone}, members, unknown_below=t).description for t in (None, 0.42))
    assert every.answers(probabilities) == [CLASSES[0], CLASSES[2], CLASSES[1]]
    assert sure.answers(probabilities) == [CLASSES[0], "unknown", "unknown"]
    exact = build_ensemble({TINY: tiny_backbone}, members, unknown_below=float(probabilities[1, 2])).description
    assert exact.is_sure(probabilities).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("key", "in_chans", "is_frozen"),
    [(TINY, 3, True), ("trial3.flow", 3, False), (TINY, 2, False), (f"{TINY}.2_channels", 2, True)],
)
def test_a_backbone_is_frozen_where_its_key_says_no_more_than_what_it_is(
    tiny_backbone: Backbone, model: Model, key: str, in_chans: int, is_frozen: bool
) -> None:
    described = {key: BackboneDescription(name=TINY, in_chans=in_chans)}
    description = build(tiny_backbone, model).description.model_copy(update={"backbones": described})
    assert description.is_frozen(key) == is_frozen
