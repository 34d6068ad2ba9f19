"""The space of confirmation: what it may vary, what is tried of it, and what is refused with which remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from varml.config import Params
from varml.config.confirm_space import FROZEN, confirmed_choices, end_to_end_values
from varml.config.load import validate
from varml.config.tree import end_to_end_paths, searchable_paths
from varml.errors import Fault

Changed = Callable[[dict[str, Any]], dict[str, Any]]
Faults = Callable[[dict[str, Any]], list[Fault]]
UNFREEZE = {"unfreeze": {"choices": ["last_stage", "all"]}}


@pytest.fixture
def tried(changed: Changed) -> Callable[..., list[dict[str, Any]]]:
    """A function from a space of confirmation, and other values, to what is tried."""

    def of(space: dict[str, Any], **values: Any) -> list[dict[str, Any]]:
        own = {path.replace("__", "."): value for path, value in values.items()}
        params, faults = validate(changed({"search.confirm": {"top_k": 2, "space": space}, **own}))
        assert faults == []
        assert isinstance(params, Params)
        return confirmed_choices(params)

    return of


def test_end_to_end_values_are_none_that_trials_read():
    assert end_to_end_paths() == [
        "train.augment", "train.unfreeze", "train.finetune.num_epochs", "train.finetune.batch_size",
        "train.finetune.lr", "train.finetune.layer_decay",
    ]  # fmt: skip
    assert not set(end_to_end_paths()) & set(searchable_paths())
    assert set(FROZEN) < set(end_to_end_paths())


def test_nothing_is_confirmed_unless_that_is_asked_for(changed: Changed):
    assert Params.model_validate(changed({})).search.confirm.top_k == 0
    tree = changed({})
    del tree["search"]["confirm"]
    assert Params.model_validate(tree).search.confirm.top_k == 0


def test_the_shipped_space_trains_something(faults: Faults):
    assert faults({"search.confirm.top_k": 3}) == []


def test_each_combination_of_choices_is_tried_with_the_other_values_of_params_yaml(tried: Callable[..., Any]):
    space = {"train": {**UNFREEZE, "finetune": {"lr": {"choices": [1e-4, 1e-3]}}}}
    found = tried(space, train__augment=0.25, train__finetune={"num_epochs": 3})
    assert [(one["train.unfreeze"], one["train.finetune.lr"]) for one in found] == [
        ("last_stage", 1e-4), ("last_stage", 1e-3), ("all", 1e-4), ("all", 1e-3),
    ]  # fmt: skip
    assert {tuple(one) for one in found} == {tuple(end_to_end_paths())}
    assert {(one["train.augment"], one["train.finetune.num_epochs"]) for one in found} == {(0.25, 3)}


def test_an_empty_space_tries_the_values_of_params_yaml(tried: Callable[..., Any], changed: Changed):
    (values,) = tried({}, train__unfreeze="all")
    assert values == end_to_end_values(Params.model_validate(changed({"train.unfreeze": "all"})))


def test_what_trains_nothing_from_pixels_is_left_out(tried: Callable[..., Any]):
    space = {"train": {"unfreeze": {"choices": ["none", "last_stage"]}, "augment": {"choices": [0, 0.5]}}}
    found = tried(space)
    assert [(one["train.unfreeze"], one["train.augment"]) for one in found] == [
        ("none", 0.5), ("last_stage", 0), ("last_stage", 0.5),
    ]  # fmt: skip


def test_what_is_idle_on_frozen_backbones_is_tried_once(tried: Callable[..., Any]):
    finetune = {"num_epochs": {"choices": [1, 2]}}
    assert tried({"train": {"finetune": finetune}}, train__augment=0.5) == [
        {"train.augment": 0.5, "train.unfreeze": "none"}
    ]


def test_a_condition_holds_where_it_says(tried: Callable[..., Any]):
    rates = {"choices": [1e-5, 1e-4], "when": {"train.unfreeze": "all"}}
    found = tried({"train": {**UNFREEZE, "finetune": {"lr": rates}}})
    assert [(one["train.unfreeze"], one["train.finetune.lr"]) for one in found] == [
        ("last_stage", 3e-4), ("all", 1e-5), ("all", 1e-4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "path", "rule"),
    [
        ({"search.space": {"train": {"augment": {"choices": [0, 0.5]}}}}, "search.space.train.augment",
         "no trial on cached features reads it, so its values could not be told apart; it belongs to "
         "search.confirm.space"),
        ({"search.space": {"train": {"finetune": {"lr": {"choices": [0.1]}}}}}, "search.space.train.finetune.lr",
         "no trial on cached features reads it, so its values could not be told apart; it belongs to "
         "search.confirm.space"),
        ({"search.confirm.space": {"model": {"fusion": {"choices": ["rgb"]}}}}, "search.confirm.space.model.fusion",
         "only what training end to end alone reads can be varied here: train.augment, train.unfreeze, "),
        ({"search.confirm.space": {"train": {"lr": {"choices": [0.1]}}}}, "search.confirm.space.train.lr",
         "only what training end to end alone reads can be varied here"),
        ({"search.confirm.space": {"train": {"augment": {"type": "float", "low": 0, "high": 1}}}},
         "search.confirm.space.train.augment", "must be {choices: [...]}: each choice is trained end to end"),
        ({"search.confirm.space": {"train": {"augment": {"choices": [2]}}}}, "search.confirm.space.train.augment",
         "Input should be less than or equal to 1"),
        ({"search.confirm.space": {"train": {"augment": {"choices": []}}}},
         "search.confirm.space.train.augment.choices", "List should have at least 1 item"),
        ({"search.confirm.space": {"train.augment": {"choices": [0.5]}}}, "search.confirm.space",
         "dimensions are nested, a key has no dots"),
        ({"search.confirm.top_k": -1}, "search.confirm.top_k", "Input should be greater than or equal to 0"),
        ({"search.confirm.memory_mb": 1}, "search.confirm.memory_mb", "Input should be greater than or equal to 512"),
        ({"search.confirm.timeout_sec": 0}, "search.confirm.timeout_sec", "Input should be greater than 0"),
        ({"search.confirm.num_folds": 9}, "search", "confirm.num_folds must be at most num_folds, 4, or null for all"),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(faults: Faults, values: dict[str, Any], path: str, rule: str):
    (fault,) = faults({"search.confirm.top_k": 1, **values})
    assert fault.path == path
    assert fault.rule.startswith(rule)


def test_a_dimension_of_trials_is_sent_to_their_space(faults: Faults):
    (fault,) = faults({"search.confirm.space": {"model": {"fusion": {"choices": ["rgb"]}}}})
    assert fault.rule.endswith("; it belongs to search.space, where trials on cached features decide it")


@pytest.mark.parametrize("space", [{}, {"train": {"unfreeze": {"choices": ["none"]}, "augment": {"choices": [0]}}}])
def test_a_confirmation_that_would_train_nothing_is_refused_with_the_remedy(faults: Faults, space: dict[str, Any]):
    (fault,) = faults({"search.confirm": {"top_k": 2, "space": space}})
    assert (fault.path, fault.value) == ("search.confirm.top_k", 2)
    assert "would train nothing end to end" in fault.rule
    assert "train: {unfreeze: {choices: [last_stage]}}" in fault.rule
    assert faults({"search.confirm": {"top_k": 0, "space": space}}) == []


def test_values_of_params_yaml_that_train_end_to_end_need_no_space(faults: Faults):
    assert faults({"search.confirm": {"top_k": 2, "space": {}}, "train.augment": 0.5}) == []
    assert faults({"search.confirm": {"top_k": 2, "space": {}}, "train.unfreeze": "all"}) == []


@pytest.mark.parametrize("num_folds", [None, 0, 1, 4])
def test_as_many_folds_validate_as_the_search_has_or_fewer(faults: Faults, num_folds: int | None):
    assert faults({"search.confirm.num_folds": num_folds}) == []
