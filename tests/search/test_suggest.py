"""The space as Optuna sees it."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from varml.config import Params
from varml.config.space import Dimension, parse_space
from varml.search.space import base_values, suggest

SPACE = {
    "model": {
        "fusion": {"choices": ["rgb", "concat"]},
        "attention": {
            "depth": {"type": "int", "low": 0, "high": 4, "step": 2},
            "num_heads": {"type": "int", "low": 1, "high": 8, "log": True, "when": {"model.attention.depth": 2}},
        },
        "dropout": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.2},
    },
    "train": {
        "lr": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
        "weight_decay": {"type": "float", "low": 0, "high": 1, "when": {"model.fusion": "concat"}},
    },
}
ALWAYS = ["model.fusion", "model.attention.depth", "model.dropout", "train.lr"]


@pytest.fixture(scope="module")
def dimensions() -> dict[str, Dimension]:
    parsed, faults = parse_space(SPACE)
    assert faults == []
    return parsed


def ask(dimensions: dict[str, Dimension], **fixed: Any) -> tuple[dict[str, Any], optuna.Trial]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial({path.replace("__", "."): value for path, value in fixed.items()})
    trial = study.ask()
    return suggest(trial, dimensions), trial


def test_each_kind_of_leaf_is_its_own_distribution(dimensions: dict[str, Dimension]) -> None:
    _, trial = ask(dimensions, model__fusion="concat", model__attention__depth=2)
    assert trial.distributions == {
        "model.fusion": CategoricalDistribution(["rgb", "concat"]),
        "model.attention.depth": IntDistribution(0, 4, step=2),
        "model.attention.num_heads": IntDistribution(1, 8, log=True),
        "model.dropout": FloatDistribution(0.1, 0.5, step=0.2),
        "train.lr": FloatDistribution(1e-4, 1e-2, log=True),
        "train.weight_decay": FloatDistribution(0, 1),
    }


def test_values_are_those_of_the_trial_and_lie_in_their_dimension(dimensions: dict[str, Dimension]) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen: dict[str, set[Any]] = {}
    for _ in range(40):
        trial = study.ask()
        values = suggest(trial, dimensions)
        assert values == trial.params
        assert all(dimensions[path].offers(value) for path, value in values.items())
        for path, value in values.items():
            seen.setdefault(path, set()).add(round(value, 6) if isinstance(value, float) else value)
        study.tell(trial, 0.0)
    assert seen["model.fusion"] == {"rgb", "concat"}
    assert seen["model.attention.depth"] == {0, 2, 4}
    assert seen["model.dropout"] == {0.1, 0.3, 0.5}


@pytest.mark.parametrize(
    ("fusion", "depth", "conditional"),
    [
        ("rgb", 0, []),
        ("rgb", 2, ["model.attention.num_heads"]),
        ("concat", 4, ["train.weight_decay"]),
        ("concat", 2, ["model.attention.num_heads", "train.weight_decay"]),
    ],
)
def test_a_conditional_dimension_is_there_where_its_condition_holds(
    dimensions: dict[str, Dimension], fusion: str, depth: int, conditional: list[str]
) -> None:
    values, _ = ask(dimensions, model__fusion=fusion, model__attention__depth=depth)
    assert set(values) == {*ALWAYS, *conditional}


def test_the_first_trial_has_the_values_of_params(shipped: Params, dimensions: dict[str, Dimension]) -> None:
    assert base_values(shipped, dimensions) == {
        "model.fusion": shipped.model.fusion,
        "model.attention.depth": shipped.model.attention.depth,
        "model.attention.num_heads": shipped.model.attention.num_heads,
        "model.dropout": shipped.model.dropout,
        "train.lr": shipped.train.lr,
        "train.weight_decay": shipped.train.weight_decay,
    }
