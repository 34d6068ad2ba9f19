"""The search space: nested under ``search.space``, a leaf's path is the params path that it overrides.

A leaf is ``{choices: [...]}`` or ``{type: int|float, low, high, log, step}``, either with an optional
``when: {path: value}`` that makes it conditional on an earlier dimension.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from varml.config.faults import faults_of
from varml.config.params import Params
from varml.config.tree import end_to_end_paths, get_path, param_type, searchable_paths, set_path
from varml.config.views import View, list_views, stored_views
from varml.errors import Fault
from varml.ground.registry import nearest_name

PREFIX = "search.space"
# Values of one dimension, and combinations of several, that are all tried against the types of the params.
MAX_CHECKED = 1000
_LEAF_KEYS = {"choices", "type", "low", "high", "log", "step"}


@dataclass(frozen=True)
class Scope:
    """Where a space stands in params.yaml, which params it may vary, and why it may vary no others.

    Some of those others belong ``elsewhere``, to the space that is named there.
    """

    prefix: str
    paths: list[str]
    rule: str
    elsewhere: list[str]
    other: str

    def why_not(self, path: str) -> str:
        """Return why ``path`` may not be varied here, and where it may."""
        return self.rule + (f"; it belongs to {self.other}" if path in self.elsewhere else "")


CONFIRM_PREFIX = "search.confirm.space"
SEARCH = Scope(
    PREFIX,
    searchable_paths(),
    "no trial on cached features reads it, so its values could not be told apart",
    end_to_end_paths(),
    CONFIRM_PREFIX,
)
CONFIRM = Scope(
    CONFIRM_PREFIX,
    end_to_end_paths(),
    f"only what training end to end alone reads can be varied here: {', '.join(end_to_end_paths())}",
    searchable_paths(),
    f"{PREFIX}, where trials on cached features decide it",
)


class Leaf(BaseModel):
    """What every dimension has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: dict[str, Any] = Field(default_factory=dict)


class Choices(Leaf):
    """A dimension of named values."""

    choices: list[str | int | float | bool] = Field(min_length=1)

    @model_validator(mode="after")
    def _differ(self) -> Choices:
        if len(set(map(repr, self.choices))) < len(self.choices):
            raise ValueError("each choice must be named once")
        return self

    def samples(self) -> list[Any]:
        """Return values that must all be valid for the param."""
        return list(self.choices)

    def offers(self, value: Any) -> bool:
        """Return whether a trial can have ``value``."""
        return value in self.choices


class Range(Leaf):
    """A dimension of numbers between ``low`` and ``high``, both included."""

    type: Literal["int", "float"]
    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low must be under high; low is {self.low:g} and high is {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must start above 0; low is {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range has no step; leave out log or step")
        if self.type == "int" and not all(float(v).is_integer() for v in (self.low, self.high, self.step or 1)):
            raise ValueError("an int range has whole numbers as low, high and step")
        return self

    def samples(self) -> list[Any]:
        """Return values that must all be valid for the param."""
        if self.type == "float":
            return [self.low, self.high]
        every = range(int(self.low), int(self.high) + 1, int(self.step or 1))
        return list(every) if len(every) <= MAX_CHECKED else [every[0], every[-1]]

    def offers(self, value: Any) -> bool:
        """Return whether ``value`` lies in the range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.type == "int" and not float(value).is_integer():
            return False
        steps = (value - self.low) / self.step if self.step else 0.0
        return bool(self.low <= value <= self.high and math.isclose(steps, round(steps), abs_tol=1e-9))


Dimension = Choices | Range


def parse_space(raw: dict[str, Any], prefix: str = PREFIX) -> tuple[dict[str, Dimension], list[Fault]]:
    """Return the dimensions by params path, in the order of the file, and every fault found."""
    dotted = sorted(key for key in _keys(raw) if "." in key)
    if dotted:
        return {}, [Fault(prefix, dotted, "dimensions are nested, a key has no dots: write model: {backbone: ...}")]
    dimensions: dict[str, Dimension] = {}
    faults: list[Fault] = []
    for path, node in _leaves(raw):
        try:
            leaf_type = Choices if isinstance(node, dict) and "choices" in node else Range
            dimensions[path] = leaf_type.model_validate(node)
        except ValidationError as error:
            faults += faults_of(error, Choices if leaf_type is Choices else Range, f"{prefix}.{path}")
    return dimensions, faults


def space_faults(params: Params, dimensions: dict[str, Dimension], scope: Scope = SEARCH) -> list[Fault]:
    """Check each dimension's path, its values and its ``when`` against the typed params."""
    faults: list[Fault] = []
    for index, (path, dimension) in enumerate(dimensions.items()):
        found = _path_faults(path, dimension, scope) or _value_faults(params, path, dimension, scope.prefix)
        earlier = {name: dimensions[name] for name in list(dimensions)[:index]}
        faults += found
        for condition, value in dimension.when.items():
            faults += _condition_faults(f"{scope.prefix}.{path}.when", condition, value, earlier)
    return faults or _combination_faults(params, dimensions, scope.prefix)


def apply_values(params: Params, values: dict[str, Any]) -> Params:
    """Return ``params`` with the values at the given paths, checked again as a whole."""
    tree = params.model_dump(by_alias=True)
    for path, value in values.items():
        set_path(tree, path, value)
    return Params.model_validate(tree)


def active_values(values: Mapping[str, Any], dimensions: Mapping[str, Dimension]) -> dict[str, Any]:
    """Return those of ``values`` that a trial with them has: of dimensions whose condition holds."""
    active: dict[str, Any] = {}
    for path, dimension in dimensions.items():
        if path in values and all(active.get(other) == wanted for other, wanted in dimension.when.items()):
            active[path] = values[path]
    return active


def searched_values(params: Params) -> dict[str, Any]:
    """Return every value that a search may vary, by params path."""
    tree = params.model_dump(by_alias=True)
    return {path: get_path(tree, path) for path in searchable_paths()}


def backbones_of(params: Params) -> list[str]:
    """Return every backbone whose features are needed: the one under ``model``, and those that the space names."""
    node = get_path(params.search.space, "model.backbone")
    return list(dict.fromkeys([params.model.backbone, *(node["choices"] if node else [])]))


def mirrors(params: Params) -> bool:
    """Return whether videos are seen in a mirror too: ``train.mirror`` is true, or the space offers that."""
    return True in _mirror_values(params)


def searched_views(params: Params) -> list[View]:
    """Return the views in which videos are seen by the values of ``params`` or of a trial, each once."""
    return list(dict.fromkeys(view for mirror in _mirror_values(params) for view in list_views(params.views, mirror)))


def max_epochs(params: Params) -> int:
    """Return the most epochs that a trial trains a fold for, by the space or by what it leaves to params.yaml."""
    dimension = parse_space(params.search.space)[0].get("train.num_epochs")
    own = [] if dimension and not dimension.when else [params.train.num_epochs]
    return int(max([*own, *(dimension.samples() if dimension else [])]))


def needed_features(params: Params) -> list[tuple[str, View]]:
    """Return of which backbones features are stored, and in which views of videos."""
    return list(product(backbones_of(params), stored_views(searched_views(params))))


def _mirror_values(params: Params) -> list[bool]:
    """Return the values that ``train.mirror`` has in ``params`` or may have in a trial, false first."""
    node = get_path(params.search.space, "train.mirror")
    return sorted({params.train.mirror, *(node["choices"] if node else [])})


def _keys(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield str(key)
            yield from _keys({} if key == "when" else child)


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(node, dict) or _LEAF_KEYS & set(node):
        yield path, node
        return
    for key, child in node.items():
        yield from _leaves(child, f"{path}.{key}" if path else str(key))


def _path_faults(path: str, dimension: Dimension, scope: Scope) -> list[Fault]:
    if path in scope.paths:
        return []
    nearest = None if path in scope.elsewhere else nearest_name(path, scope.paths)
    return [Fault(f"{scope.prefix}.{path}", _shown(dimension), scope.why_not(path), nearest)]


def _value_faults(params: Params, path: str, dimension: Dimension, prefix: str) -> list[Fault]:
    if isinstance(dimension, Range) and dimension.type == "float" and param_type(path) is int:
        return [Fault(f"{prefix}.{path}", "float", "must be of type int, as the value that it overrides")]
    faults: dict[str, Fault] = {}
    for value in dimension.samples():
        try:
            apply_values(params, {path: value})
        except ValidationError as error:
            for detail in error.errors():
                rule = detail["msg"].removeprefix("Value error, ")
                faults.setdefault(f"{value}{rule}", Fault(f"{prefix}.{path}", value, rule))
    return list(faults.values())


def _combination_faults(params: Params, dimensions: dict[str, Dimension], prefix: str) -> list[Fault]:
    # Values that are valid alone may not be together, such as a width that the number of heads does not divide.
    exact = {path: d.samples() for path, d in dimensions.items() if not d.when and getattr(d, "type", "") != "float"}
    if math.prod(map(len, exact.values())) > MAX_CHECKED:
        return []
    for values in product(*exact.values()):
        chosen = dict(zip(exact, values, strict=True))
        try:
            apply_values(params, chosen)
        except ValidationError as error:
            return [Fault(prefix, chosen, error.errors()[0]["msg"].removeprefix("Value error, "))]
    return []


def _condition_faults(at: str, condition: str, value: Any, earlier: dict[str, Dimension]) -> list[Fault]:
    if condition not in earlier:
        rule = "when must name a dimension that stands above this one"
        return [Fault(at, condition, rule, nearest_name(condition, list(earlier)))]
    if not earlier[condition].offers(value):
        return [Fault(f"{at}.{condition}", value, "that dimension never has this value")]
    return []


def _shown(dimension: Dimension) -> dict[str, Any]:
    return dimension.model_dump(exclude_defaults=True)
