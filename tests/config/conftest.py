"""The shipped params as nested dictionaries that a test may change."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from varml.config.load import validate
from varml.config.tree import set_path
from varml.errors import Fault

SHIPPED = Path(__file__).resolve().parents[2] / "params.yaml"
Tree = dict[str, Any]


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The params.yaml of this repository."""
    return SHIPPED


@pytest.fixture
def changed() -> Callable[[dict[str, Any]], Tree]:
    """A function that returns the shipped params with other values at dotted paths."""
    tree = YAML(typ="safe", pure=True).load(SHIPPED.read_text(encoding="utf-8"))

    def change(values: dict[str, Any]) -> Tree:
        copy = deepcopy(tree)
        for path, value in values.items():
            set_path(copy, path, value)
        return copy

    return change


@pytest.fixture
def faults(changed: Callable[[dict[str, Any]], Tree]) -> Callable[[dict[str, Any]], list[Fault]]:
    """A function that returns the faults of the shipped params with other values at dotted paths."""
    return lambda values: validate(changed(values))[1]
