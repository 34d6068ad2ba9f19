"""Reads params.yaml with ruamel (YAML 1.2: ``1e-3`` is a number) into the typed params."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from varml.config.confirm_space import confirm_faults
from varml.config.faults import faults_of
from varml.config.params import Params
from varml.config.space import CONFIRM_PREFIX, PREFIX, parse_space, space_faults
from varml.config.tree import get_path
from varml.errors import ConfigError, Fault
from varml.ground.paths import PARAMS
from varml.ground.plugins import load_plugins


def load_params(path: Path = PARAMS) -> Params:
    """Return the params of a project, and import its plugins, so that the names in the params mean something.

    Raises ConfigError with every fault of types, ranges and space together, or of the plugins.
    """
    params = _valid(read_tree(path), path.name)
    load_plugins(params.plugins, path.parent)
    return params


def parse_params(text: str, source: str = "params.yaml") -> Params:
    """Return the params written in ``text`` (YAML); raises ConfigError as :func:`load_params` does."""
    return _valid(_parse_yaml(text, source), source)


def read_tree(path: Path) -> dict[str, Any]:
    """Return params.yaml as nested dictionaries, unchecked; raises ConfigError where it is no YAML mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Fault(str(path), None, f"cannot be read: {error}")]) from error
    return _parse_yaml(text, path.name)


def validate(tree: dict[str, Any]) -> tuple[Params | None, list[Fault]]:
    """Return the typed params, or None where types do not allow them, and every fault."""
    dimensions, faults = parse_space(space_of(tree))
    confirmed, confirmed_faults = parse_space(space_of(tree, CONFIRM_PREFIX), CONFIRM_PREFIX)
    faults += confirmed_faults
    try:
        params = Params.model_validate(tree)
    except ValidationError as error:
        return None, faults_of(error, Params) + faults
    faults += space_faults(params, dimensions)
    return params, faults if confirmed_faults else faults + confirm_faults(params, confirmed)


def space_of(tree: dict[str, Any], prefix: str = PREFIX) -> dict[str, Any]:
    """Return the space at ``prefix`` of unchecked params, empty where it is no mapping."""
    space = get_path(tree, prefix)
    return space if isinstance(space, dict) else {}


def _valid(tree: dict[str, Any], source: str) -> Params:
    params, faults = validate(tree)
    if params is None or faults:
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
