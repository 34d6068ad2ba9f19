"""What a search tries first."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from varml.config import Params
from varml.config.space import Dimension, parse_space
from varml.search.first_wave import MAX_TRIALS, first_wave
from varml.search.space import base_values

FUSION = {"choices": ["late", "concat", "rgb"]}
POOLING = {"choices": ["mean", "thirds"]}
DEPTH = {"type": "int", "low": 0, "high": 3}
LR = {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}
OWN = {"model.fusion": "late", "model.pooling": "thirds", "model.attention.depth": 0, "train.lr": 3e-3}


def space(**leaves: Any) -> dict[str, Dimension]:
    model = {name: leaf for name, leaf in leaves.items() if name in ("fusion", "pooling")}
    attention = {name: leaf for name, leaf in leaves.items() if name in ("depth", "num_heads", "kind")}
    train = {name: leaf for name, leaf in leaves.items() if name in ("lr", "mirror")}
    parsed, faults = parse_space({"model": {**model, "attention": attention}, "train": train})
    assert faults == []
    return parsed


def test_own_values_then_the_plain_baseline_then_each_other_choice_alone() -> None:
    wave = first_wave(OWN, space(fusion=FUSION, pooling=POOLING, depth=DEPTH, lr=LR))
    changes = [{path: value for path, value in values.items() if OWN[path] != value} for values in wave]
    assert changes == [
        {},
        {"model.fusion": "concat", "model.pooling": "mean"},
        {"model.fusion": "concat"},
        {"model.pooling": "mean"},
        {"model.attention.depth": 3},
        {"model.fusion": "rgb"},
    ]
    assert all(list(values) == list(OWN) for values in wave)


def test_a_long_wave_is_cut_off_with_something_of_each_dimension() -> None:
    fusion = {"choices": ["late", "concat", "rgb", "flow", "early", "gated", "cross_attention"]}
    depth, heads = {"choices": [0, 1, 2, 3, 4, 5, 6]}, {"choices": [1, 2, 4, 8]}
    wave = first_wave({**OWN, "model.attention.num_heads": 4}, space(fusion=fusion, depth=depth, num_heads=heads))
    assert len(wave) == MAX_TRIALS
    assert [len({values[path] for values in wave}) for path in wave[0]] == [4, 4, 4]


def test_both_ends_of_a_range_where_the_own_value_lies_between() -> None:
    own = {**OWN, "model.attention.depth": 2}
    wave = first_wave(own, space(depth=DEPTH))
    assert [values["model.attention.depth"] for values in wave] == [2, 0, 3]


def test_a_conditional_choice_is_tried_where_its_condition_holds() -> None:
    kind = {"choices": ["temporal", "joint"], "when": {"model.attention.depth": 2}}
    own = {**OWN, "model.attention.kind": "temporal"}
    wave = first_wave(own, space(depth=DEPTH, kind=kind))
    tried = [(values["model.attention.depth"], values.get("model.attention.kind")) for values in wave]
    assert tried == [(0, None), (3, None), (2, "joint")]


def test_a_baseline_that_the_space_does_not_have_is_as_near_as_may_be() -> None:
    wave = first_wave(OWN, space(fusion={"choices": ["late", "rgb"]}, pooling=POOLING))
    assert [(values["model.fusion"], values["model.pooling"]) for values in wave] == [
        ("late", "thirds"), ("late", "mean"), ("rgb", "thirds"),
    ]  # fmt: skip


def test_what_a_dimension_does_not_offer_is_left_to_the_sampler() -> None:
    wave = first_wave({**OWN, "model.fusion": "gated", "train.lr": 1.0}, space(fusion=FUSION, lr=LR))
    assert wave == [{}, {"model.fusion": "concat"}, {"model.fusion": "late"}, {"model.fusion": "rgb"}]


def test_where_some_have_been_tried_what_has_a_new_value_is_left() -> None:
    own = {path: value for path, value in OWN.items() if path != "model.attention.depth"}
    dimensions = space(fusion=FUSION, pooling=POOLING, lr=LR)
    tried = [{"model.fusion": "rgb", "model.pooling": "thirds", "train.lr": 1e-3}]
    assert first_wave(own, dimensions, tried) == first_wave(own, dimensions)
    wave = first_wave(own, dimensions, [*tried, own])
    assert [(values["model.fusion"], values["model.pooling"]) for values in wave] == [
        ("concat", "mean"), ("concat", "thirds"), ("late", "mean"),
    ]  # fmt: skip
    assert first_wave(own, dimensions, first_wave(own, dimensions)) == []


def test_without_a_space_there_is_one_trial() -> None:
    assert first_wave({}, {}) == [{}]


def test_the_shipped_space_is_tried_whole(shipped: Params) -> None:
    dimensions, _ = parse_space(shipped.search.space)
    wave = first_wave(base_values(shipped, dimensions), dimensions)
    assert len(wave) <= shipped.search.num_trials // 2
    for path, dimension in dimensions.items():
        if hasattr(dimension, "choices"):
            assert {values[path] for values in wave} == set(dimension.choices)


@given(
    st.lists(st.sampled_from("abcdef"), min_size=1, unique=True),
    st.tuples(st.integers(0, 3), st.integers(4, 9), st.integers(0, 9)),
)
def test_whatever_the_space_values_are_offered_and_differ(choices: list[str], depths: tuple[int, int, int]) -> None:
    low, high, own = depths
    parsed, _ = parse_space({"a": {"choices": choices}, "b": {"type": "int", "low": low, "high": high}})
    wave = first_wave({"a": choices[-1], "b": own}, parsed)
    assert all(parsed[path].offers(value) for values in wave for path, value in values.items())
    assert all(wave.count(values) == 1 for values in wave)
    assert len(wave) >= len(choices)
