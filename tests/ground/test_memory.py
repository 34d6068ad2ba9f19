"""What was remembered is there after the process that remembered it."""

from __future__ import annotations

from pathlib import Path

import pytest

from varml.ground.memory import Memory


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "memory.sqlite"


def test_a_new_memory_is_empty(path: Path):
    assert Memory(path).get(["a"]) == {}


def test_values_of_every_json_kind_are_remembered_by_the_file(path: Path):
    entries = {"text": "é\n", "number": 0.1, "none": None, "nested": {"list": [1, "2", False]}, "clé": 1}
    Memory(path).put(entries)
    assert Memory(path).get(entries) == entries


def test_a_later_value_replaces_the_earlier_one(path: Path):
    memory = Memory(path)
    memory.put({"a": 1, "b": 2})
    memory.put([("a", 3)])
    assert memory.get("ab") == {"a": 3, "b": 2}


def test_a_value_that_json_cannot_write_changes_nothing(path: Path):
    memory = Memory(path)
    memory.put({"a": 1})
    with pytest.raises(TypeError):
        memory.put({"a": 2, "b": object()})
    assert memory.get("ab") == {"a": 1}


def test_of_many_entries_those_are_got_that_are_asked_for(path: Path):
    memory = Memory(path)
    memory.put((f"key {number}", number) for number in range(2000))
    wanted = [f"key {number}" for number in range(0, 3000, 2)]
    assert memory.get(wanted) == {f"key {number}": number for number in range(0, 2000, 2)}
    assert memory.get(iter(["key 7", "key 7"])) == {"key 7": 7}
    assert memory.get([]) == {}


def test_two_writers_keep_what_each_put(path: Path):
    first, second = Memory(path), Memory(path)
    first.put({"a": 1})
    second.put({"b": 2})
    assert first.get("ab") == second.get("ab") == {"a": 1, "b": 2}
