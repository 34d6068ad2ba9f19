"""A part by its name, with arguments of its own."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from varml.config import load_params
from varml.config.part import Part
from varml.config.space import apply_values


def test_a_name_and_a_mapping_of_a_name_are_the_same():
    assert Part.model_validate("tpe") == Part.model_validate({"name": "tpe"}) == Part(name="tpe")
    assert Part.model_validate("tpe") != Part.model_validate({"name": "tpe", "group": False})


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("tpe", "tpe"),
        ({"name": "tpe"}, "tpe"),
        ({"name": "tpe", "group": False}, {"name": "tpe", "group": False}),
    ],
)
def test_it_is_written_as_it_is_read(shipped: Any, given: Any, written: Any):
    assert Part.model_validate(given).model_dump() == written
    params = apply_values(load_params(shipped), {"search.sampler": given})
    assert params.search.model_dump()["sampler"] == written
    assert apply_values(params, {}) == params


def test_arguments_are_what_stands_beside_the_name():
    assert Part.model_validate("tpe").arguments == {}
    assert Part.model_validate({"name": "tpe", "group": False, "x": 3}).arguments == {"group": False, "x": 3}


@pytest.mark.parametrize("given", [None, 3, True, ["tpe"], {}, {"group": True}, {"name": None}, {"name": 3}])
def test_what_is_no_part(given: Any):
    with pytest.raises(ValidationError, match="must be a name, or a mapping with a name and arguments"):
        Part.model_validate(given)
