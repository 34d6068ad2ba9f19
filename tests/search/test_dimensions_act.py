"""Every dimension that may be searched changes the validation predictions; one that does not would waste trials."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from varml.config import Params, load_params
from varml.config.space import Choices, parse_space
from varml.config.tree import searchable_paths
from varml.data.dataset import FeatureSet
from varml.search.objective import Objective

SHIPPED = parse_space(load_params(Path(__file__).parents[2] / "params.yaml").search.space)[0]

# Two values of each path that may be searched; a new one needs its line here.
VALUES: dict[str, tuple[Any, Any]] = {
    "model.backbone": ("small", "large"),
    "model.attention.kind": ("temporal", "divided"),
    "model.attention.depth": (0, 1),
    "model.attention.num_heads": (1, 2),
    "model.pooling": ("mean", "attentive"),
    "model.fusion": ("rgb", "flow"),
    "model.stream_dropout": (0.0, 0.5),
    "model.width": (8, 16),
    "model.dropout": (0.0, 0.5),
    "train.num_epochs": (4, 5),
    "train.batch_size": (8, 12),
    "train.lr": (1e-3, 1e-2),
    "train.mirror": (False, True),
    "train.weight_decay": (0.0, 1.0),
    "train.label_smoothing": (0.0, 0.3),
    "train.balance": ("none", "sampler"),
    "train.max_grad_norm": (0.1, 1.0),
    "train.ema": (0.0, 0.9),
}
# What must be so for a value to act.
GIVEN = {"model.stream_dropout": {"model.fusion": "concat"}}


def predictions(params: Params, load: Any, folds: list[np.ndarray], path: str, value: Any) -> np.ndarray:
    values = {**GIVEN.get(path, {}), path: value}
    return Objective(params, load, folds)(optuna.trial.FixedTrial(values), values).oof


@pytest.mark.parametrize("path", searchable_paths())
def test_a_searchable_value_acts(
    params: Params, features: dict[str, FeatureSet], folds: list[np.ndarray], path: str
) -> None:
    one, other = (predictions(params, features.__getitem__, folds, path, value) for value in VALUES[path])
    assert np.isfinite(one).all()
    assert np.isfinite(other).all()
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("path", SHIPPED)
def test_the_values_of_a_shipped_dimension_all_differ(
    params: Params, features: dict[str, FeatureSet], folds: list[np.ndarray], path: str
) -> None:
    values = SHIPPED[path].samples()
    assert len(values) >= 2
    loaded = dict(features)
    if path == "model.backbone":
        assert isinstance(SHIPPED[path], Choices)
        loaded |= dict(zip(values, features.values(), strict=True))
    made = [predictions(params, loaded.__getitem__, folds, path, value) for value in values]
    assert not any(np.array_equal(one, other) for one, other in combinations(made, 2))
