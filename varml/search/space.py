"""Interprets the search space for Optuna: one small function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from varml.config.params import Params
from varml.config.space import Choices, Dimension
from varml.config.tree import get_path, is_searchable


def suggest(trial: optuna.Trial, dimensions: Mapping[str, Dimension]) -> dict[str, Any]:
    """Return a value for each dimension whose condition holds, by params path."""
    values: dict[str, Any] = {}
    for path, dimension in dimensions.items():
        if all(values.get(other) == wanted for other, wanted in dimension.when.items()):
            values[path] = _suggest_one(trial, path, dimension)
    return values


def base_values(params: Params, dimensions: Mapping[str, Dimension]) -> dict[str, Any]:
    """Return the values that params.yaml itself has at the paths of the space: the first trial."""
    tree = params.model_dump(by_alias=True)
    return {path: get_path(tree, path) for path in dimensions if is_searchable(path)}


def _suggest_one(trial: optuna.Trial, path: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Choices):
        return trial.suggest_categorical(path, dimension.choices)
    if dimension.type == "int":
        step = int(dimension.step or 1)
        return trial.suggest_int(path, int(dimension.low), int(dimension.high), log=dimension.log, step=step)
    return trial.suggest_float(path, dimension.low, dimension.high, log=dimension.log, step=dimension.step)
