"""Parts of the search that params.yaml names with arguments: a registered class whose fields these are."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from varml.config.faults import faults_of
from varml.config.part import NAME, Part
from varml.config.section import Section
from varml.errors import ConfigError
from varml.ground.registry import Registry

PartType = TypeVar("PartType", bound=Section)


def configured(registry: Registry[type[PartType]], part: Part, path: str) -> PartType:
    """Return the registered part that ``part``, which stands at ``path`` of params.yaml, names, with its arguments.

    Raises UnknownNameError where there is none, and ConfigError with the faults of the arguments: the stage ``check``
    has told both before.
    """
    kind = registry[part.name]
    try:
        return kind.model_validate(part.arguments)
    except ValidationError as error:
        raise ConfigError(faults_of(error, kind, path)) from error


def canonical(registry: Registry[type[PartType]], part: Part, path: str) -> str | dict[str, Any]:
    """Return ``part`` in the one form of all that mean the same: arguments that are the defaults are left out."""
    changed = configured(registry, part, path).model_dump(exclude_defaults=True)
    return {NAME: part.name, **changed} if changed else part.name
