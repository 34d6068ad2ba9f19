"""Turns pydantic's errors into faults: path, value, rule, nearest valid name."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from varml.errors import Fault
from varml.ground.registry import nearest_name


def faults_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Fault]:
    """Return one fault for each rule broken while ``model`` was validated.

    A model may have a mapping ``refused``: keys that one would expect it to have, and why it has not.
    """
    return [_fault(dict(detail), model, prefix) for detail in error.errors()]


def _fault(detail: dict[str, Any], model: type[BaseModel], prefix: str) -> Fault:
    location = [str(part) for part in detail["loc"]]
    path = ".".join(filter(None, [prefix, *location]))
    if detail["type"] == "extra_forbidden":
        if len(location) == 1 and location[0] in getattr(model, "refused", {}):
            return Fault(path, detail["input"], model.refused[location[0]])  # type: ignore[attr-defined]
        names = _names(model, location[:-1])
        rule = f"unknown key; there are {', '.join(names) or 'none'}"
        return Fault(path, detail["input"], rule, nearest_name(location[-1], names))
    if detail["type"] == "missing":
        return Fault(path, None, "this key is needed; copy its line from the params.yaml of a fresh clone")
    return Fault(path, detail["input"], detail["msg"].removeprefix("Value error, "))


def _names(model: type[BaseModel], location: list[str]) -> list[str]:
    for key in location:
        by_name = {field.alias or name: field for name, field in model.model_fields.items()}
        annotation = by_name[key].annotation if key in by_name else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return [field.alias or name for name, field in model.model_fields.items()]
