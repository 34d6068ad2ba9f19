"""Where a recogniser looks: the weights that are given are those that made the answer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from varml.config.params import Model
from varml.models.attention import attention_kinds
from varml.models.attention_maps import attention_weights
from varml.models.recognizer import Recognizer

BATCH, NUM_CELLS, DIM, HEADS = 3, 4, 5, 2
NUM_STEPS = {"rgb": 2, "flow": 3}


def build(model: Model, **values: Any) -> Recognizer:
    attention = model.attention.model_copy(update={k: values.pop(k) for k in ("kind", "depth") if k in values})
    torch.manual_seed(0)
    params = model.model_copy(update={"attention": attention, **values})
    made = Recognizer(params, dim=DIM, num_steps=NUM_STEPS, num_cells=NUM_CELLS, num_classes=3).eval()
    for name, value in made.named_parameters():
        if name.endswith("query"):
            nn.init.normal_(value)  # which starts at zero, where all weights are equal
    return made


def random_features() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {s: torch.randn(BATCH, steps, NUM_CELLS, DIM, generator=generator) for s, steps in NUM_STEPS.items()}


def by_weights(attention: nn.MultiheadAttention, values: Tensor, weights: Tensor) -> Tensor:
    """Return the output that ``weights`` (N, heads, Q, K) make of ``values`` (N, K, W), by the book."""
    width = values.shape[-1]
    weight, bias = attention.in_proj_weight[2 * width :], attention.in_proj_bias[2 * width :]
    heads = (values @ weight.T + bias).unflatten(-1, (HEADS, -1)).transpose(1, 2)  # (N, heads, K, W / heads)
    return attention.out_proj((weights @ heads).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("fusion", ["early", "cross_attention"])
@pytest.mark.parametrize("kind", attention_kinds.names())
def test_rows_sum_to_one_and_reproduce_the_output_of_each_layer(model: Model, kind: str, fusion: str) -> None:
    recognizer = build(model, kind=kind, depth=2, fusion=fusion, pooling="attentive")
    weights = attention_weights(recognizer, random_features())
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    attentions = {n: m for n, m in recognizer.named_modules() if isinstance(m, nn.MultiheadAttention)}
    for name, attention in attentions.items():
        attention.register_forward_hook(
            lambda _, inputs, output, name=name: seen.update({name: (inputs[2], output[0])})
        )
    with torch.inference_mode():
        recognizer(random_features())
        assert set(seen) == set(attentions) <= set(weights)
        for name, (values, output) in seen.items():
            assert torch.allclose(by_weights(attentions[name], values, weights[name]), output, atol=1e-5)
    for rows in weights.values():
        assert torch.allclose(rows.sum(-1), torch.ones(()), atol=1e-5)
        assert (rows >= 0).all()


@pytest.mark.parametrize(
    ("kind", "of_rgb"),
    [
        ("temporal", {"self_attn": (BATCH, HEADS, 2, 2)}),
        ("joint", {"self_attn": (BATCH, HEADS, 8, 8)}),
        (
            "divided",
            {
                "over_space.attention": (BATCH * 2, HEADS, NUM_CELLS, NUM_CELLS),
                "over_time.attention": (BATCH * NUM_CELLS, HEADS, 2, 2),
            },
        ),
    ],
)
def test_there_is_an_entry_for_each_layer(model: Model, kind: str, of_rgb: dict[str, tuple[int, ...]]) -> None:
    weights = attention_weights(build(model, kind=kind, depth=3, fusion="rgb"), random_features())
    expected = {f"attention.rgb.layers.{n}.{part}": shape for n in range(3) for part, shape in of_rgb.items()}
    assert {name: tuple(rows.shape) for name, rows in weights.items() if name.startswith("attention")} == expected


def test_the_query_over_the_grid_is_among_them(model: Model) -> None:
    weights = attention_weights(build(model, fusion="concat", depth=1), random_features())
    assert weights["encoders.rgb"].shape == (BATCH, 1, 2, NUM_CELLS)
    assert weights["encoders.flow"].shape == (BATCH, 1, 3, NUM_CELLS)


def test_without_attention_there_are_none(model: Model) -> None:
    assert attention_weights(build(model, fusion="concat", depth=0), random_features()) == {}


def test_to_look_changes_nothing(model: Model) -> None:
    recognizer, features = build(model, fusion="cross_attention").train(), random_features()
    attention_weights(recognizer, features)
    assert recognizer.training
    assert not any(module._forward_hooks for module in recognizer.modules())
