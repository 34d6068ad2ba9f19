"""One contract for every registered kind of attention, and what tells the shipped ones apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from varml.models.attention import AttentionKind, attention_kinds

BATCH, STEPS, CELLS, WIDTH = 3, 5, 4, 8


def build(name: str, depth: int) -> AttentionKind:
    torch.manual_seed(0)
    return attention_kinds[name](width=WIDTH, depth=depth, num_heads=2).eval()


def random_tokens(name: str, steps: int = STEPS, seed: int = 1) -> Tensor:
    cells = CELLS if attention_kinds[name].reads_cells else 1
    return torch.randn(BATCH, steps, cells, WIDTH, generator=torch.Generator().manual_seed(seed))


def reach(name: str, depth: int = 1) -> Tensor:
    """Return which tokens change with the one of the first step and cell, (T, G) bool."""
    attention, tokens = build(name, depth), random_tokens(name)
    changed = tokens.clone()
    changed[:, 0, 0] += torch.arange(WIDTH) / WIDTH  # not all alike, which a normalisation would take away
    return (attention(changed) - attention(tokens)).abs().amax((0, 3)).gt(1e-6)


# The contract.


@pytest.fixture(params=attention_kinds.names())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_registry_holds_the_shipped_kinds() -> None:
    assert {"temporal", "divided", "joint"} <= set(attention_kinds.names())


def test_without_depth_tokens_stay_as_they_are(name: str) -> None:
    tokens = random_tokens(name)
    assert torch.equal(build(name, 0)(tokens), tokens)
    assert list(build(name, 0).parameters()) == []


@pytest.mark.parametrize("depth", [1, 2, 6])
def test_tokens_keep_their_shape_and_change(name: str, depth: int) -> None:
    tokens = random_tokens(name)
    seen = build(name, depth)(tokens)
    assert seen.shape == tokens.shape
    assert torch.isfinite(seen).all()
    assert not torch.allclose(seen, tokens, atol=1e-3)


def test_each_layer_has_weights_of_its_own(name: str) -> None:
    one, three = (sum(value.numel() for value in build(name, depth).parameters()) for depth in (1, 3))
    assert three == 3 * one


@pytest.mark.parametrize("steps", [1, 2 * STEPS])
def test_any_number_of_steps_is_taken(name: str, steps: int) -> None:
    tokens = random_tokens(name, steps)
    assert build(name, 1)(tokens).shape == tokens.shape


def test_each_video_is_seen_by_itself(name: str) -> None:
    attention, tokens = build(name, 2), random_tokens(name)
    assert torch.allclose(attention(tokens)[1:2], attention(tokens[1:2]), atol=1e-5)


def test_what_one_step_shows_changes_another(name: str) -> None:
    assert reach(name)[1:].any()


@pytest.mark.parametrize("depth", [1, 2])
def test_gradients_reach_every_parameter_and_every_token(name: str, depth: int) -> None:
    attention, tokens = build(name, depth).train(), random_tokens(name).requires_grad_()
    (attention(tokens) * random_tokens(name, seed=2)).sum().backward()
    without = [key for key, value in attention.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []
    assert tokens.grad is not None
    assert tokens.grad.abs().sum(-1).gt(0).all()


def test_a_state_dict_carries_the_whole_attention(name: str) -> None:
    attention, tokens = build(name, 2), random_tokens(name)
    other = attention_kinds[name](width=WIDTH, depth=2, num_heads=2).eval()
    assert not torch.equal(other(tokens), attention(tokens))
    other.load_state_dict(attention.state_dict())
    assert torch.equal(other(tokens), attention(tokens))


def test_training_mode_gives_the_same_tokens(name: str) -> None:
    # Dropout is on the tokens before attention; and torch has a fused layer for evaluation.
    attention, tokens = build(name, 2), random_tokens(name)
    with torch.inference_mode():
        assert torch.allclose(attention(tokens), attention.train()(tokens), atol=1e-5)


# The shipped ones.


@pytest.mark.parametrize("name", ["temporal", "divided", "joint"])
def test_every_token_of_a_video_sees_every_other(name: str) -> None:
    assert reach(name).all()


@pytest.mark.parametrize("name", ["temporal", "divided", "joint"])
def test_without_positions_the_order_of_steps_does_not_matter(name: str) -> None:
    attention, tokens = build(name, 2), random_tokens(name)
    assert torch.allclose(attention(tokens.flip(1)), attention(tokens).flip(1), atol=1e-5)


def test_divided_attention_looks_at_the_cells_of_its_step_and_then_at_the_steps_of_its_cell() -> None:
    (layer,) = build("divided", 1).layers
    tokens = random_tokens("divided")
    seen: dict[str, Tensor] = {}
    for part in ("over_space", "over_time"):
        getattr(layer, part).register_forward_pre_hook(lambda _, inputs, part=part: seen.update({part: inputs[0]}))
    layer(tokens)
    assert list(seen) == ["over_space", "over_time"]
    assert torch.equal(seen["over_space"], tokens.reshape(BATCH * STEPS, CELLS, WIDTH))
    # Without what space gave, time would see the tokens cell by cell.
    torch.nn.init.zeros_(layer.over_space.attention.out_proj.weight)
    layer(tokens)
    assert torch.equal(seen["over_time"], tokens.transpose(1, 2).reshape(BATCH * CELLS, STEPS, WIDTH))


def test_temporal_is_joint_over_one_cell() -> None:
    temporal, joint, tokens = build("temporal", 2), build("joint", 2), random_tokens("temporal")
    joint.load_state_dict(temporal.state_dict())
    assert torch.equal(joint(tokens), temporal(tokens))
    assert joint.reads_cells
    assert not temporal.reads_cells
