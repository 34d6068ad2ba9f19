"""What a section of params.yaml is, and how its fields are marked that a space may vary."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A section: unknown keys are faults, values are not changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def searchable(**constraints: Any) -> Any:
    """Return a field that trials on cached features read."""
    return Field(json_schema_extra={"searchable": True}, **constraints)


def end_to_end(**constraints: Any) -> Any:
    """Return a field that training from pixels alone reads, so that no trial on cached features can tell its values."""
    return Field(json_schema_extra={"end_to_end": True}, **constraints)
