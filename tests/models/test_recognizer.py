"""The whole model behind the backbone: what it is built of, and what of a video it may and may not see."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from varml.config.params import Model, Pooling
from varml.errors import ModelError, UnknownNameError
from varml.models.attention import attention_kinds
from varml.models.fusion import Fusion, fusions
from varml.models.pooling import ThirdsPooling
from varml.models.recognizer import Recognizer

NUM_STEPS = {"rgb": 2, "flow": 4}
DIM, NUM_CELLS = 5, 4
LABELS = torch.tensor([0, 1, 2, 0])


def build(model: Model, **values: Any) -> Recognizer:
    attention = model.attention.model_copy(update={k: values.pop(k) for k in ("kind", "depth") if k in values})
    torch.manual_seed(0)
    params = model.model_copy(update={"attention": attention, "dropout": 0.0, **values})
    return Recognizer(params, dim=DIM, num_steps=NUM_STEPS, num_cells=NUM_CELLS, num_classes=3)


def random_features(factor: float = 1, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = {stream: (4, int(steps * factor), NUM_CELLS, DIM) for stream, steps in NUM_STEPS.items()}
    return {stream: torch.randn(shape[stream], generator=generator) for stream in NUM_STEPS}


@pytest.mark.parametrize("fusion", fusions.names())
@pytest.mark.parametrize("kind", attention_kinds.names())
@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("pooling", get_args(Pooling))
def test_gradients_reach_every_parameter(model: Model, fusion: str, kind: str, depth: int, pooling: str) -> None:
    recognizer = build(model, fusion=fusion, kind=kind, depth=depth, pooling=pooling)
    assert tuple(recognizer.encoders) == fusions[fusion].streams
    logits = recognizer(random_features())
    assert logits.shape == (4, 3)
    F.cross_entropy(logits, LABELS).backward()
    without = [key for key, value in recognizer.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []


@pytest.mark.parametrize("kind", attention_kinds.names())
@pytest.mark.parametrize("fusion", fusions.names())
def test_each_video_is_seen_by_itself(model: Model, fusion: str, kind: str) -> None:
    recognizer, features = build(model, fusion=fusion, kind=kind, pooling="attentive").eval(), random_features()
    alone = recognizer({stream: values[1:2] for stream, values in features.items()})
    assert torch.allclose(recognizer(features)[1:2], alone, atol=1e-5)


@pytest.mark.parametrize("fusion", fusions.names())
@pytest.mark.parametrize("kind", attention_kinds.names())
@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("pooling", get_args(Pooling))
def test_who_reads_no_cells_says_the_same_of_their_mean(
    model: Model, fusion: str, kind: str, depth: int, pooling: str
) -> None:
    features = random_features()
    recognizer = build(model, fusion=fusion, kind=kind, depth=depth, pooling=pooling).eval()
    for encoder in recognizer.encoders.values():
        if encoder.query is not None:
            torch.nn.init.normal_(encoder.query, std=10)
    means = {stream: values.mean(2, keepdim=True) for stream, values in features.items()}
    assert recognizer.reads_cells == (depth > 0 or pooling == "attentive")
    if not recognizer.reads_cells:
        assert torch.equal(recognizer(means), recognizer(features))
    elif kind == "temporal":
        assert not torch.allclose(recognizer(means), recognizer(features), atol=1e-3)


def test_each_stream_is_standardised_by_its_own_features(model: Model) -> None:
    recognizer = build(model, fusion="concat", depth=0)
    features = {"rgb": torch.full((4, 2, 4, DIM), 1.0), "flow": torch.full((4, 4, 4, DIM), 2.0)}
    recognizer.fit_standardisation(features)
    means = {stream: encoder.mean.unique().tolist() for stream, encoder in recognizer.encoders.items()}
    assert means == {"rgb": [1.0], "flow": [2.0]}


# Depth and kind.


@pytest.mark.parametrize("fusion", ["rgb", "concat", "late", "gated", "early"])
def test_without_depth_and_by_the_mean_each_stream_is_its_mean_over_time_and_grid(model: Model, fusion: str) -> None:
    logits = {}
    for kind in attention_kinds.names():
        recognizer = build(model, fusion=fusion, kind=kind, depth=0).eval()
        features = random_features()
        means = {stream: values.mean((1, 2), keepdim=True) for stream, values in features.items()}
        logits[kind] = recognizer(features)
        assert torch.allclose(recognizer(means), logits[kind], atol=1e-5)
    assert all(torch.equal(values, logits["temporal"]) for values in logits.values())


@pytest.mark.parametrize(("kind", "cells_matter"), [("temporal", False), ("divided", True), ("joint", True)])
def test_only_a_kind_that_reads_cells_knows_their_places(model: Model, kind: str, cells_matter: bool) -> None:
    recognizer, features = build(model, fusion="rgb", kind=kind).eval(), random_features()
    turned = {stream: values.flip(2) for stream, values in features.items()}
    assert torch.allclose(recognizer(turned), recognizer(features), atol=1e-5) != cells_matter


@pytest.mark.parametrize("kind", attention_kinds.names())
def test_with_depth_the_order_of_steps_matters(model: Model, kind: str) -> None:
    recognizer, features = build(model, fusion="flow", kind=kind).eval(), random_features()
    turned = {stream: values.flip(1) for stream, values in features.items()}
    assert not torch.allclose(recognizer(turned), recognizer(features), atol=1e-3)


def test_a_kind_of_attention_that_is_not_registered_is_refused(model: Model) -> None:
    with pytest.raises(UnknownNameError, match=r"no attention kind is named 'jointt'.*did you mean 'joint'"):
        build(model, kind="jointt")


# Another number of steps than the model was made for.


@pytest.mark.parametrize("kind", attention_kinds.names())
@pytest.mark.parametrize("fusion", ["concat", "early", "cross_attention"])
def test_a_still_video_is_answered_alike_at_twice_and_at_half_the_steps(model: Model, fusion: str, kind: str) -> None:
    torch.manual_seed(0)
    attention = model.attention.model_copy(update={"kind": kind})
    params = model.model_copy(update={"fusion": fusion, "attention": attention, "width": 32})
    recognizer = Recognizer(params, dim=DIM, num_steps={"rgb": 8, "flow": 8}, num_cells=NUM_CELLS, num_classes=3).eval()
    still = {stream: torch.randn(20, 1, NUM_CELLS, DIM) for stream in NUM_STEPS}
    at = {steps: recognizer({s: v.expand(-1, steps, -1, -1) for s, v in still.items()}) for steps in (4, 8, 16)}
    between_videos = at[8].std(0).mean()
    assert 0 < (at[4] - at[8]).abs().mean() < 0.5 * between_videos
    assert 0 < (at[16] - at[8]).abs().mean() < 0.3 * between_videos


@pytest.mark.parametrize("factor", [0.5, 1, 2])
def test_at_any_number_of_steps_their_order_matters(model: Model, factor: float) -> None:
    recognizer, features = build(model, fusion="flow").eval(), random_features(factor)
    turned = {stream: values.flip(1) for stream, values in features.items()}
    assert not torch.allclose(recognizer(turned), recognizer(features), atol=1e-3)


# Pooling.


class SumOfBoth(Fusion):
    """A fusion from outside, which knows of tokens alone."""

    streams = ("rgb", "flow")

    def __init__(self, *, width: int, num_classes: int, num_heads: int, dropout: float) -> None:
        super().__init__(width=width, num_classes=num_classes, num_heads=num_heads, dropout=dropout)
        self.classifier = torch.nn.Linear(width, num_classes)
        self.seen: dict[str, tuple[int, ...]] = {}

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """Return logits."""
        self.seen = {stream: tuple(values.shape[1:]) for stream, values in tokens.items()}
        return self.classifier(tokens["rgb"].mean(1) + tokens["flow"].mean(1))


@pytest.mark.parametrize(("pooling", "num_tokens"), [("mean", (2, 4)), ("thirds", (1, 1)), ("attentive", (1, 1))])
def test_a_fusion_from_outside_gets_all_tokens_or_the_pooled_one(
    model: Model, monkeypatch: pytest.MonkeyPatch, pooling: str, num_tokens: tuple[int, int]
) -> None:
    monkeypatch.setitem(fusions._entries, "sum_of_both", SumOfBoth)
    recognizer = build(model, fusion="sum_of_both", pooling=pooling)
    recognizer(random_features())
    assert recognizer.fusion.seen == {"rgb": (num_tokens[0], 8), "flow": (num_tokens[1], 8)}


def test_cross_attention_looks_up_all_tokens_before_they_are_pooled(model: Model) -> None:
    recognizer = build(model, fusion="cross_attention", pooling="attentive").eval()
    seen: list[int] = []
    for attention in recognizer.fusion.attentions.values():
        attention.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1].shape[1]))
    recognizer(random_features())
    assert seen == [4, 2]  # rgb asks the steps of flow, flow those of rgb


def test_attentive_pooling_alone_can_tell_the_order_of_steps(model: Model) -> None:
    features = random_features()
    turned = {stream: values.flip(1) for stream, values in features.items()}
    for pooling, matters in (("mean", False), ("attentive", True)):
        recognizer = build(model, fusion="flow", depth=0, pooling=pooling).eval()
        for layer in recognizer.fusion.poolings.values():
            torch.nn.init.normal_(layer.query)
        assert torch.allclose(recognizer(turned), recognizer(features), atol=1e-5) != matters


@pytest.mark.parametrize("fusion", fusions.names())
def test_thirds_begin_as_the_mean_of_all_steps(model: Model, fusion: str) -> None:
    """Six steps fall into thirds of equal size, whose mean is the mean of all."""
    features = random_features(factor=3)
    thirds, mean = (build(model, fusion=fusion, depth=0, pooling=pooling).eval() for pooling in ("thirds", "mean"))
    mean.load_state_dict({key: value for key, value in thirds.state_dict().items() if key in mean.state_dict()})
    assert torch.allclose(thirds(features), mean(features), atol=1e-5)


def test_thirds_tell_their_own_order_and_not_that_of_steps_inside_them(model: Model) -> None:
    pooling = ThirdsPooling(2)
    torch.nn.init.normal_(pooling.mix.weight)
    steps = torch.arange(12.0).reshape(1, 6, 2)  # two steps in each third
    assert torch.allclose(pooling(steps[:, [1, 0, 3, 2, 5, 4]]), pooling(steps), atol=1e-5)
    assert not torch.allclose(pooling(steps.flip(1)), pooling(steps), atol=1e-2)


# Fusion.


def test_early_fusion_has_one_stack_in_which_the_streams_see_each_other(model: Model) -> None:
    recognizer, features = build(model, fusion="early", depth=1).eval(), random_features()
    tokens: list[dict[str, Tensor]] = []
    recognizer.fusion.register_forward_pre_hook(lambda _, inputs: tokens.append(inputs[0]))
    recognizer(features)
    recognizer(features | {"flow": random_features(seed=2)["flow"]})
    assert (tokens[0]["rgb"] - tokens[1]["rgb"]).abs().amax((0, 2)).gt(1e-5).all()
    separate = build(model, fusion="concat", depth=1)
    num_layers = [
        len([m for m in r.modules() if isinstance(m, torch.nn.MultiheadAttention)]) for r in (recognizer, separate)
    ]
    assert num_layers == [1, 2]


def test_early_fusion_knows_the_streams_apart(model: Model) -> None:
    recognizer, features = build(model, fusion="early", depth=1).eval(), random_features()
    recognizer.encoders["flow"].projection.load_state_dict(recognizer.encoders["rgb"].projection.state_dict())
    same = {"rgb": features["rgb"], "flow": features["rgb"]}
    for encoder in recognizer.encoders.values():
        encoder.position.time.data.zero_()
    tokens: list[dict[str, Tensor]] = []
    recognizer.fusion.register_forward_pre_hook(lambda _, inputs: tokens.append(inputs[0]))
    recognizer(same)
    assert not torch.allclose(tokens[0]["rgb"], tokens[0]["flow"], atol=1e-2)
    for vector in recognizer.attention.streams.values():
        vector.data.zero_()
    recognizer(same)
    assert torch.allclose(tokens[1]["rgb"], tokens[1]["flow"], atol=1e-5)


@pytest.mark.parametrize("pooling", get_args(Pooling))
def test_scores_of_streams_are_what_late_fusion_averages(model: Model, pooling: str) -> None:
    recognizer, features = build(model, fusion="late", pooling=pooling).eval(), random_features()
    recognizer.fusion.rgb_weight.fill_(0.3)
    scores = recognizer.stream_scores(features)
    expected = 0.3 * scores["rgb"].exp() + 0.7 * scores["flow"].exp()
    assert torch.allclose(recognizer(features).softmax(-1), expected, atol=1e-6)
    # Each stream alone: the other may show anything.
    other = recognizer.stream_scores(features | {"flow": random_features(seed=2)["flow"]})
    assert torch.equal(other["rgb"], scores["rgb"])
    assert not torch.allclose(other["flow"], scores["flow"])


def test_a_fusion_that_does_not_classify_each_stream_gives_no_scores_of_them(model: Model) -> None:
    with pytest.raises(ModelError, match=r"Concat does not classify each stream; choose model\.fusion: late"):
        build(model, fusion="concat").stream_scores(random_features())


# Stream dropout.


@pytest.mark.parametrize("fusion", ["concat", "early", "gated", "cross_attention"])
def test_stream_dropout_acts_in_training_alone(model: Model, fusion: str) -> None:
    recognizer, features = build(model, fusion=fusion, stream_dropout=0.5), random_features()
    answers = [recognizer(features) for _ in range(5)]
    assert any(not torch.equal(answers[0], other) for other in answers)
    recognizer.eval()
    plain = build(model, fusion=fusion).eval()
    plain.load_state_dict(recognizer.state_dict(), strict=False)
    assert torch.equal(recognizer(features), plain(features))


def test_a_lost_stream_is_not_seen_by_the_other(model: Model) -> None:
    recognizer, features = build(model, fusion="early", stream_dropout=0.5), random_features()
    recognizer.stream_dropout.draw = lambda num_videos: torch.ones(num_videos, dtype=torch.long)  # all lose flow
    other = features | {"flow": random_features(seed=2)["flow"]}
    assert torch.equal(recognizer(features), recognizer(other))
    assert not torch.allclose(recognizer(features), recognizer(features | {"rgb": random_features(seed=2)["rgb"]}))


@pytest.mark.parametrize("fusion", ["rgb", "flow", "late"])
def test_what_is_classified_alone_is_never_lost(model: Model, fusion: str) -> None:
    recognizer = build(model, fusion=fusion, stream_dropout=0.9)
    assert torch.equal(recognizer(random_features()), recognizer(random_features()))
