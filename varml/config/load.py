"""Reads params.yaml with ruamel (YAML 1.2: ``1e-3`` is a number) into the typed params."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from varml.config.faults import faults_of
from varml.config.params import Params
from varml.config.space import parse_space, space_faults
from varml.errors import ConfigError, Fault
from varml.paths import PARAMS


def load_params(path: Path = PARAMS) -> Params:
    """Return the params of a project.

    Raises ConfigError with every fault of types, ranges and space together.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([Fault(str(path), None, f"cannot be read: {error.strerror}")]) from error
    return parse_params(text, source=path.name)


def parse_params(text: str, source: str = "params.yaml") -> Params:
    """Return the params written in ``text`` (YAML); raises ConfigError as :func:`load_params` does."""
    tree = _parse_yaml(text, source)
    dimensions, faults = parse_space(_space_of(tree))
    try:
        params = Params.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(faults_of(error, Params) + faults, source) from error
    faults += space_faults(params, dimensions)
    if faults:
        raise ConfigError(faults, source)
    return params


def _parse_yaml(text: str, source: str) -> dict[str, Any]:
    try:
        tree = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ConfigError([Fault(source, None, f"must be YAML: {error}")], source) from error
    if not isinstance(tree, dict):
        raise ConfigError([Fault(source, tree, "must be sections of values")], source)
    return tree


def _space_of(tree: dict[str, Any]) -> dict[str, Any]:
    search = tree.get("search")
    space = search.get("space") if isinstance(search, dict) else None
    return space if isinstance(space, dict) else {}
