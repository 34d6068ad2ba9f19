"""Dotted paths into nested dictionaries and into the classes of the params."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from varml.config.params import Params


def get_path(tree: dict[str, Any], path: str) -> Any:
    """Return the value at ``path``, or None where there is none."""
    node: Any = tree
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def set_path(tree: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at ``path`` and make the dictionaries on the way."""
    *parents, last = path.split(".")
    for key in parents:
        tree = tree.setdefault(key, {})
    tree[last] = value


def is_searchable(path: str) -> bool:
    """Return whether ``path`` names a param that trials on cached features read."""
    return path in searchable_paths()


def searchable_paths() -> list[str]:
    """Return the dotted paths of all params that the search may vary."""
    return _marked("searchable")


def end_to_end_paths() -> list[str]:
    """Return the dotted paths of all params that training from pixels alone reads, and confirmation may vary."""
    return _marked("end_to_end")


def param_type(path: str) -> Any:
    """Return the type of the param at ``path``."""
    return dict(_fields(Params))[path].annotation


def _marked(name: str) -> list[str]:
    return [path for path, field in _fields(Params) if (field.json_schema_extra or {}).get(name)]  # type: ignore[union-attr]


def _fields(model: type[BaseModel], prefix: str = "") -> list[tuple[str, FieldInfo]]:
    found: list[tuple[str, FieldInfo]] = []
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        found.append((path, field))
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += _fields(field.annotation, f"{path}.")
    return found
