"""One contract for every registered fusion, and the values of the shipped ones computed by hand."""

from __future__ import annotations

from math import log

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from varml.errors import ModelError
from varml.models.fusion import Fusion, fusions

WIDTH, NUM_CLASSES, BATCH = 8, 3, 5
NUM_STEPS = {"rgb": 4, "flow": 7}


def build(name: str, dropout: float = 0.3) -> Fusion:
    torch.manual_seed(0)
    return fusions[name](width=WIDTH, num_classes=NUM_CLASSES, num_heads=2, dropout=dropout).eval()


def random_tokens(seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {s: torch.randn(BATCH, steps, WIDTH, generator=generator) for s, steps in NUM_STEPS.items()}


# The contract.


@pytest.fixture(params=fusions.names())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_registry_holds_the_shipped_fusions() -> None:
    assert {"rgb", "flow", "early", "concat", "gated", "late", "cross_attention"} <= set(fusions.names())


def test_logits_have_a_row_per_video_and_a_column_per_class(name: str) -> None:
    logits = build(name)(random_tokens())
    assert logits.shape == (BATCH, NUM_CLASSES)
    assert torch.isfinite(logits).all()


def test_each_named_stream_is_read_and_no_other_is_needed(name: str) -> None:
    fusion, tokens = build(name), random_tokens()
    named = {stream: tokens[stream] for stream in fusion.streams}
    logits = fusion(named)
    assert torch.equal(fusion(tokens), logits)
    for stream in fusion.streams:
        changed = named | {stream: random_tokens(seed=2)[stream]}
        assert not torch.allclose(fusion(changed), logits)


def test_a_fusion_that_classifies_apart_tells_what_each_stream_says_alone_and_no_other_does(name: str) -> None:
    fusion, tokens, others = build(name), random_tokens(), random_tokens(seed=2)
    if not fusion.classifies_apart:
        with pytest.raises(ModelError, match=r"does not classify each stream; choose model\.fusion: late"):
            fusion.stream_scores(tokens)
        return
    scores = fusion.stream_scores(tokens)
    assert set(scores) == set(fusion.streams)
    for stream, said in scores.items():
        assert torch.allclose(said.exp().sum(-1), torch.ones(BATCH))
        assert torch.equal(fusion.stream_scores(others | {stream: tokens[stream]})[stream], said)


def test_each_video_is_classified_by_itself(name: str) -> None:
    fusion, tokens = build(name), random_tokens()
    alone = fusion({stream: values[2:3] for stream, values in tokens.items()})
    assert torch.allclose(fusion(tokens)[2:3], alone, atol=1e-6)


def test_gradients_reach_every_parameter(name: str) -> None:
    fusion = build(name, dropout=0.0).train()
    F.cross_entropy(fusion(random_tokens()), torch.tensor([0, 1, 2, 0, 1])).backward()
    without = [key for key, value in fusion.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []


def test_gradients_reach_every_step_of_every_named_stream(name: str) -> None:
    fusion, tokens = build(name), {s: values.requires_grad_() for s, values in random_tokens().items()}
    F.cross_entropy(fusion(tokens), torch.tensor([0, 1, 2, 0, 1])).backward()
    for stream in fusion.streams:
        assert tokens[stream].grad is not None
        assert tokens[stream].grad.abs().sum(-1).gt(0).all()


def test_a_state_dict_carries_the_whole_fusion(name: str) -> None:
    fusion, tokens = build(name), random_tokens()
    other = fusions[name](width=WIDTH, num_classes=NUM_CLASSES, num_heads=2, dropout=0.3).eval()
    assert not torch.equal(other(tokens), fusion(tokens))
    other.load_state_dict(fusion.state_dict())
    assert torch.equal(other(tokens), fusion(tokens))


def test_a_video_does_not_change_with_its_order_in_the_batch(name: str) -> None:
    fusion, tokens = build(name), random_tokens()
    turned = fusion({stream: values.flip(0) for stream, values in tokens.items()})
    assert torch.allclose(turned.flip(0), fusion(tokens), atol=1e-6)


def test_scores_of_streams_are_log_probabilities_or_refused(name: str) -> None:
    fusion = build(name)
    if type(fusion).stream_scores is Fusion.stream_scores:
        with pytest.raises(ModelError, match=r"does not classify each stream; choose model\.fusion: late"):
            fusion.stream_scores(random_tokens())
        return
    scores = fusion.stream_scores(random_tokens())
    assert set(scores) == set(fusion.streams)
    for values in scores.values():
        assert values.shape == (BATCH, NUM_CLASSES)
        assert torch.allclose(values.exp().sum(-1), torch.ones(BATCH), atol=1e-5)


def test_dropout_acts_in_training_and_not_in_evaluation(name: str) -> None:
    fusion, tokens = build(name, dropout=0.5), random_tokens()
    assert torch.equal(fusion(tokens), fusion(tokens))
    fusion.train()
    assert not torch.equal(fusion(tokens), fusion(tokens))


# By hand. The mean rgb token is (3, 1), which layer normalisation makes (1, -1); the mean flow token is (0, 3),
# which it makes (-1, 1). The flow has one step more than rgb.

TOKENS = {"rgb": torch.tensor([[[2.0, 0.0], [4.0, 2.0]]]), "flow": torch.tensor([[[0.0, 0.0], [0.0, 3.0], [0.0, 6.0]]])}
FIRST_AND_THIRD = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]


def small(name: str) -> Fusion:
    return fusions[name](width=2, num_classes=2, num_heads=1, dropout=0.5).eval()


def set_linear(classifier: torch.nn.Module, weight: list[list[float]], bias: tuple[float, float] = (0.0, 0.0)) -> None:
    linear = classifier[-1]
    linear.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})


def logits_of(fusion: Fusion) -> list[float]:
    with torch.no_grad():
        return fusion(TOKENS)[0].tolist()


@pytest.mark.parametrize(("name", "expected"), [("rgb", [1.5, -2.0]), ("flow", [-0.5, 2.0])])
def test_a_single_stream_classifies_its_mean_token(name: str, expected: list[float]) -> None:
    fusion = small(name)
    set_linear(fusion.classifier, [[1.0, 0.0], [0.0, 2.0]], bias=(0.5, 0.0))
    assert logits_of(fusion) == pytest.approx(expected, abs=1e-4)


def test_concat_classifies_both_mean_tokens_side_by_side() -> None:
    fusion = small("concat")
    set_linear(fusion.classifier, FIRST_AND_THIRD)
    # (3, 1, 0, 3) has mean 1.75 and variance 1.6875.
    assert logits_of(fusion) == pytest.approx([1.25 / 1.6875**0.5, -1.75 / 1.6875**0.5], abs=1e-4)


OF_RGB = 0.8807970779778823  # 1 / (1 + exp(-2))


def late_by_hand() -> Fusion:
    fusion = small("late")
    set_linear(fusion.classifiers["rgb"], [[1.0, 0.0], [0.0, 1.0]])  # logits (1, -1)
    set_linear(fusion.classifiers["flow"], [[0.0, 0.0], [0.0, 0.0]], bias=(0.0, log(3)))  # probabilities 1/4 and 3/4
    return fusion


def test_late_is_the_log_of_the_mean_probability() -> None:
    expected = [log((OF_RGB + 0.25) / 2), log((1 - OF_RGB + 0.75) / 2)]
    assert logits_of(late_by_hand()) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("rgb_weight", [0.0, 0.3, 1.0])
def test_late_weighs_the_probabilities(rgb_weight: float) -> None:
    fusion = late_by_hand()
    fusion.rgb_weight.fill_(rgb_weight)
    first = rgb_weight * OF_RGB + (1 - rgb_weight) * 0.25
    assert logits_of(fusion) == pytest.approx([log(first), log(1 - first)], abs=1e-4)


def test_late_says_what_each_stream_says_alone() -> None:
    fusion = late_by_hand()
    scores = {stream: values[0].exp().tolist() for stream, values in fusion.stream_scores(TOKENS).items()}
    assert scores["rgb"] == pytest.approx([OF_RGB, 1 - OF_RGB], abs=1e-4)
    assert scores["flow"] == pytest.approx([0.25, 0.75], abs=1e-4)


def test_the_weight_of_late_is_stored_and_not_trained() -> None:
    fusion, other = late_by_hand(), small("late")
    fusion.rgb_weight.fill_(0.8)
    other.load_state_dict(fusion.state_dict())
    assert other.rgb_weight.item() == pytest.approx(0.8)
    assert "rgb_weight" not in dict(fusion.named_parameters())


@pytest.mark.parametrize("rgb_weight", [0.0, 1.0])
def test_a_stream_without_weight_gives_finite_gradients(rgb_weight: float) -> None:
    fusion = late_by_hand()
    fusion.rgb_weight.fill_(rgb_weight)
    F.cross_entropy(fusion(TOKENS), torch.tensor([0])).backward()
    assert all(torch.isfinite(value.grad).all() for value in fusion.parameters())


@pytest.mark.parametrize(
    ("bias", "expected"),
    [(0.0, [0.0, 0.0]), (log(3), [1.0, -1.0]), (-log(3), [-1.0, 1.0])],
    ids=["half of each", "three quarters of rgb", "a quarter of rgb"],
)
def test_gated_is_a_convex_combination_of_both_streams(bias: float, expected: list[float]) -> None:
    # The normalised tokens are (1, -1) of rgb and (-1, 1) of flow; the classifier normalises what lies between.
    fusion = small("gated")
    torch.nn.init.zeros_(fusion.gate.weight)
    torch.nn.init.constant_(fusion.gate.bias, bias)
    set_linear(fusion.classifier, [[1.0, 0.0], [0.0, 1.0]])
    assert logits_of(fusion) == pytest.approx(expected, abs=1e-3)


def test_the_gate_is_one_for_each_feature_and_sees_both_streams() -> None:
    fusion = small("gated")
    torch.nn.init.zeros_(fusion.gate.bias)
    # The first feature's gate opens for rgb by flow's second feature, 1; the second's by its own, -1, for flow.
    fusion.gate.weight.data = torch.tensor([[0.0, 0.0, 0.0, 100.0], [0.0, 100.0, 0.0, 0.0]])
    mixed = []
    fusion.classifier.register_forward_pre_hook(lambda _, inputs: mixed.append(inputs[0]))
    logits_of(fusion)
    assert mixed[0][0].tolist() == pytest.approx([1.0, 1.0], abs=1e-3)  # rgb's first and flow's second feature


def test_early_classifies_the_mean_of_both_mean_tokens_whatever_their_number() -> None:
    fusion = small("early")
    set_linear(fusion.classifier, [[1.0, 0.0], [0.0, 2.0]], bias=(0.5, 0.0))
    # (1.5, 2) is normalised to (-1, 1).
    assert logits_of(fusion) == pytest.approx([-0.5, 2.0], abs=1e-3)


def test_cross_attention_that_finds_nothing_is_concat() -> None:
    fusion, concat = small("cross_attention"), small("concat")
    for attention in fusion.attentions.values():
        torch.nn.init.zeros_(attention.out_proj.weight)
        torch.nn.init.zeros_(attention.out_proj.bias)
    concat.classifier.load_state_dict(fusion.classifier.state_dict())
    assert logits_of(fusion) == pytest.approx(logits_of(concat), abs=1e-6)


def test_cross_attention_adds_what_it_finds_in_the_other_stream() -> None:
    fusion = small("cross_attention")
    nothing, identity = torch.zeros(2, 2), torch.eye(2)
    for attention in fusion.attentions.values():
        # Without queries every step of the other stream weighs alike.
        attention.in_proj_weight.data = torch.cat([nothing, identity, identity])
        attention.out_proj.weight.data = identity.clone()
    set_linear(fusion.classifier, FIRST_AND_THIRD)
    # Normalised flow steps are (0, 0), (-1, 1), (-1, 1), with mean (-2/3, 2/3); those of rgb have mean (1, -1).
    # So (7/3, 5/3, 1, 2) is classified, with mean 7/4 and variance 35/144.
    expected = [(7 / 3 - 7 / 4) / (35 / 144) ** 0.5, (1 - 7 / 4) / (35 / 144) ** 0.5]
    assert logits_of(fusion) == pytest.approx(expected, abs=1e-4)
