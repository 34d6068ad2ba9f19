"""A part by its name, with arguments of its own: ``tpe``, or ``{name: tpe, n_startup_trials: 12}``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_serializer, model_validator

NAME = "name"


class Part(BaseModel):
    """A part of a registry as params.yaml names it; which arguments it takes, the part itself says.

    It is written as it is read: a name alone, or a mapping.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        """What stands beside the name."""
        return dict(self.model_extra or {})

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: object) -> object:
        if isinstance(given, str):
            return {NAME: given}
        if isinstance(given, dict) and isinstance(given.get(NAME), str):
            return given
        raise ValueError("must be a name, or a mapping with a name and arguments, such as {name: tpe, ...}")

    @model_serializer
    def _as_written(self) -> str | dict[str, Any]:
        return {NAME: self.name, **self.arguments} if self.arguments else self.name
