"""The search space: each rule of a dimension, and what a space does to params."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from varml.config import Params, load_params
from varml.config.load import validate
from varml.config.space import Choices, Range, apply_values, backbones_of, parse_space, searched_values
from varml.config.tree import searchable_paths
from varml.errors import Fault

Changed = Callable[[dict[str, Any]], dict[str, Any]]
LR = "search.space.train.lr"
FUSION = {"choices": ["rgb", "flow"]}
LR_RANGE = {"type": "float", "low": 1e-4, "high": 1e-2}


@pytest.fixture
def params(shipped: Path) -> Params:
    return load_params(shipped)


@pytest.fixture
def space_faults(changed: Changed) -> Callable[[dict[str, Any]], list[Fault]]:
    return lambda space: validate(changed({"search.space": space}))[1]


SpaceFaults = Callable[[dict[str, Any]], list[Fault]]


def test_dimensions_have_the_path_that_they_override_in_the_order_of_the_file():
    space = {"train": {"lr": LR_RANGE}, "model": {"fusion": FUSION, "attention": {"depth": {"choices": [0, 2]}}}}
    dimensions, faults = parse_space(space)
    assert faults == []
    assert list(dimensions) == ["train.lr", "model.fusion", "model.attention.depth"]
    assert dimensions["train.lr"] == Range(type="float", low=1e-4, high=1e-2)
    assert dimensions["model.fusion"] == Choices(choices=["rgb", "flow"])


@pytest.mark.parametrize(
    ("leaf", "rule"),
    [
        ({"type": "float", "low": 0.1, "high": 0.1}, "low must be under high; low is 0.1 and high is 0.1"),
        ({"type": "float", "low": 0.2, "high": 0.1}, "low must be under high; low is 0.2 and high is 0.1"),
        ({"type": "float", "low": 0, "high": 0.1, "log": True}, "a logarithmic range must start above 0; low is 0"),
        ({"type": "float", "low": -1, "high": 1, "log": True}, "a logarithmic range must start above 0; low is -1"),
        ({"type": "int", "low": 1, "high": 8, "log": True, "step": 1}, "a logarithmic range has no step; leave out"),
        ({"type": "int", "low": 0.5, "high": 3}, "an int range has whole numbers as low, high and step"),
        ({"type": "int", "low": 0, "high": 3.5}, "an int range has whole numbers as low, high and step"),
        ({"type": "int", "low": 0, "high": 3, "step": 0.5}, "an int range has whole numbers as low, high and step"),
        ({"choices": [0.1, 0.2, 0.1]}, "each choice must be named once"),
    ],
)
def test_a_rule_of_a_range_or_a_choice(space_faults: SpaceFaults, leaf: dict[str, Any], rule: str):
    (fault,) = space_faults({"train": {"lr": leaf}})
    assert fault.path == LR
    assert fault.value == leaf
    assert fault.rule.startswith(rule)


@pytest.mark.parametrize(
    ("leaf", "path", "value"),
    [
        ({"choices": []}, f"{LR}.choices", []),
        ({"choices": "0.1"}, f"{LR}.choices", "0.1"),
        ({"type": "log", "low": 1, "high": 2}, f"{LR}.type", "log"),
        ({"type": "float", "low": "a", "high": 2}, f"{LR}.low", "a"),
        ({"type": "float", "low": 0.1, "high": 0.2, "step": 0}, f"{LR}.step", 0),
        (0.1, LR, 0.1),
    ],
)
def test_a_leaf_of_the_wrong_type(space_faults: SpaceFaults, leaf: object, path: str, value: object):
    (fault,) = space_faults({"train": {"lr": leaf}})
    assert (fault.path, fault.value) == (path, value)


def test_a_misspelt_key_of_a_leaf_names_the_nearest(space_faults: SpaceFaults):
    (fault,) = space_faults({"train": {"lr": {**LR_RANGE, "hihg": 1}}})
    assert (fault.path, fault.value, fault.nearest) == (f"{LR}.hihg", 1, "high")


@pytest.mark.parametrize("key", ["low", "high"])
def test_a_range_needs_both_ends(space_faults: SpaceFaults, key: str):
    (fault,) = space_faults({"train": {"lr": {k: v for k, v in LR_RANGE.items() if k != key}}})
    assert fault.path == f"{LR}.{key}"
    assert fault.rule.startswith("this key is needed")


@pytest.mark.parametrize(
    ("space", "path", "nearest"),
    [
        ({"train": {"learning_rate": LR_RANGE}}, "train.learning_rate", None),
        ({"train": {"weight_decya": LR_RANGE}}, "train.weight_decya", "train.weight_decay"),
        ({"frames": {"num_segments": {"choices": [4, 8]}}}, "frames.num_segments", None),
        ({"model": {"choices": ["rgb"]}}, "model", None),
        ({"seed": {"choices": [0, 1]}}, "seed", None),
    ],
)
def test_a_dimension_that_no_trial_reads(
    space_faults: SpaceFaults, space: dict[str, Any], path: str, nearest: str | None
):
    (fault,) = space_faults(space)
    assert fault.path == f"search.space.{path}"
    assert fault.rule.startswith("no trial on cached features reads it")
    assert nearest is None or fault.nearest == nearest


@pytest.mark.parametrize(
    ("space", "value"),
    [
        ({"model": {"dropout": {"choices": [0.1, 1.0]}}}, 1.0),
        ({"model": {"dropout": {"type": "float", "low": 0, "high": 1}}}, 1.0),
        ({"model": {"attention": {"depth": {"type": "int", "low": -1, "high": 2}}}}, -1),
        ({"model": {"attention": {"depth": {"type": "int", "low": 0, "high": 7}}}}, 7),
        ({"model": {"backbone": {"choices": [5]}}}, 5),
        ({"train": {"batch_size": {"choices": ["many", 8]}}}, "many"),
        ({"model": {"attention": {"num_heads": {"choices": [4, 3]}}}}, 3),
    ],
)
def test_each_value_of_a_dimension_must_be_valid_for_its_param(
    space_faults: SpaceFaults, space: dict[str, Any], value: object
):
    (fault,) = space_faults(space)
    assert fault.value == value
    assert fault.path.startswith("search.space.")
    assert fault.rule


def test_when_names_an_earlier_dimension(space_faults: SpaceFaults):
    lr = {**LR_RANGE, "when": {"model.fusion": "flow"}}
    assert space_faults({"model": {"fusion": FUSION}, "train": {"lr": lr}}) == []
    (fault,) = space_faults({"train": {"lr": lr}, "model": {"fusion": FUSION}})
    assert (fault.path, fault.value, fault.nearest) == (f"{LR}.when", "model.fusion", None)
    assert fault.rule == "when must name a dimension that stands above this one"


def test_a_misspelt_when_names_the_nearest(space_faults: SpaceFaults):
    lr = {**LR_RANGE, "when": {"model.fusoin": "flow"}}
    (fault,) = space_faults({"model": {"fusion": FUSION}, "train": {"lr": lr}})
    assert (fault.value, fault.nearest) == ("model.fusoin", "model.fusion")


def test_a_dimension_is_no_condition_of_itself(space_faults: SpaceFaults):
    (fault,) = space_faults({"train": {"lr": {**LR_RANGE, "when": {"train.lr": 0.001}}}})
    assert (fault.path, fault.value) == (f"{LR}.when", "train.lr")


def test_several_faults_of_a_space_come_together(space_faults: SpaceFaults):
    space = {"model": {"fusion": {"choices": ["rgb", "rgb"]}, "dropout": {"choices": [2]}}, "train": {"x": FUSION}}
    assert sorted(fault.path for fault in space_faults(space)) == [
        "search.space.model.dropout", "search.space.model.fusion", "search.space.train.x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        (Choices(choices=["rgb", "flow"]), ["rgb", "flow"], ["late"]),
        (Range(type="float", low=0.1, high=0.3), [0.1, 0.2, 0.3], [0.09, 0.31]),
        (Range(type="int", low=1, high=3), [1, 2.0, 3], [0, 2.5, 4]),
        (Range(type="int", low=1, high=64, log=True), [1, 3, 64], [0, 2.5]),
        (Range(type="float", low=0.5, high=2, step=0.5), [0.5, 1.5], [0.75]),
    ],
)
def test_what_a_dimension_offers(dimension: Choices | Range, inside: list[object], outside: list[object]):
    assert [dimension.offers(value) for value in inside] == [True] * len(inside)
    assert [dimension.offers(value) for value in outside] == [False] * len(outside)


def test_values_are_applied_at_their_paths_and_nowhere_else(params: Params):
    applied = apply_values(params, {"model.attention.depth": 5, "train.lr": 0.5})
    assert (applied.model.attention.depth, applied.train.lr) == (5, 0.5)
    expected = params.model_dump()
    expected["model"]["attention"]["depth"] = 5
    expected["train"]["lr"] = 0.5
    assert applied.model_dump() == expected


@pytest.mark.parametrize("values", [{"train.lr": -1}, {"model.attention.num_heads": 3}, {"model.dpeth": 1}])
def test_applied_values_are_checked(params: Params, values: dict[str, Any]):
    with pytest.raises(ValidationError):
        apply_values(params, values)


def test_searched_values_are_those_of_the_params(params: Params):
    values = searched_values(apply_values(params, {"train.lr": 0.25}))
    assert list(values) == searchable_paths()
    assert values["train.lr"] == 0.25
    assert values["model.backbone"] == params.model.backbone
    assert apply_values(params, values).train.lr == 0.25


def test_the_backbones_are_that_of_the_model_and_those_of_the_space(changed: Changed):
    space = {"model": {"backbone": {"choices": ["one", "two"]}}}
    found = backbones_of(Params.model_validate(changed({"search.space": space, "model.backbone": "two"})))
    assert found == ["two", "one"]
    assert backbones_of(Params.model_validate(changed({"search.space": {}, "model.backbone": "three"}))) == ["three"]
