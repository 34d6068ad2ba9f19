"""Names for parts, found in a package without being named anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from varml.errors import VarmlError
from varml.ground.registry import Registry, nearest_name


@pytest.fixture
def shapes() -> Registry[str]:
    registry: Registry[str] = Registry("shape")
    for name in ("square", "circle", "triangle"):
        registry.register(name)(name.upper())
    return registry


def test_a_registered_part_is_found_by_its_name(shapes: Registry[str]):
    assert shapes["circle"] == "CIRCLE"
    assert shapes.names() == ["circle", "square", "triangle"]


def test_registering_returns_the_part_itself(shapes: Registry[str]):
    assert shapes.register("oval")("OVAL") == "OVAL"


def test_an_unknown_name_is_answered_with_the_kind_all_names_and_the_nearest(shapes: Registry[str]):
    with pytest.raises(KeyError) as caught:
        shapes["cirle"]
    assert isinstance(caught.value, VarmlError)  # printed without a traceback
    assert str(caught.value) == "no shape is named 'cirle'; there are circle, square, triangle; did you mean 'circle'?"


def test_a_name_like_no_other_gets_no_suggestion(shapes: Registry[str]):
    with pytest.raises(KeyError, match=r"no shape is named 'xyzw'; there are circle, square, triangle$"):
        shapes["xyzw"]


def test_a_name_is_given_once(shapes: Registry[str]):
    with pytest.raises(ValueError, match="shape 'circle' is registered already"):
        shapes.register("circle")("another")
    assert shapes["circle"] == "CIRCLE"


@pytest.mark.parametrize(("name", "nearest"), [("concta", "concat"), ("late", "late"), ("zzz", None), (7, None)])
def test_nearest_name(name: object, nearest: str | None):
    assert nearest_name(name, ["concat", "late", "rgb"]) == nearest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "parts_found_by_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from varml.ground.registry import Registry\nparts = Registry('part', 'parts_found_by_a_test')\n"
    )
    for name in ("one", "two"):
        lines = ["from parts_found_by_a_test import parts", f"parts.register({name!r})({name.upper()!r})"]
        (folder / f"{name}.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_every_file_laid_into_the_package_is_found(package: Path):
    from parts_found_by_a_test import parts  # type: ignore[import-not-found]

    assert parts.names() == ["one", "two"]
    assert parts["two"] == "TWO"
