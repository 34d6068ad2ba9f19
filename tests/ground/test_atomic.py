"""Files appear whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from varml.ground.atomic import atomic_writer, write_bytes, write_json, write_text


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "file.bin"


def names_beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_the_content_is_written_and_nothing_else_is_left(target: Path):
    write_bytes(target, b"new")
    assert target.read_bytes() == b"new"
    assert names_beside(target) == [target.name]


def test_the_old_content_is_seen_until_the_block_ends(target: Path):
    write_bytes(target, b"old")
    with atomic_writer(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


def test_a_first_file_has_no_name_before_it_is_whole(target: Path):
    with atomic_writer(target) as file:
        file.write(b"half")
        assert not target.exists()
    assert target.exists()


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_content_and_no_temporary_file(target: Path, interruption: type[BaseException]):
    write_bytes(target, b"old")
    with pytest.raises(interruption), atomic_writer(target) as file:  # noqa: PT012 - the block is what is tested
        file.write(b"half")
        raise interruption
    assert target.read_bytes() == b"old"
    assert names_beside(target) == [target.name]


def test_an_exception_before_the_first_file_leaves_nothing(target: Path):
    with pytest.raises(ValueError, match="stop"), atomic_writer(target):
        raise ValueError("stop")
    assert names_beside(target) == []


def test_a_target_that_cannot_be_replaced_leaves_no_temporary_file(target: Path):
    (target / "occupied").mkdir(parents=True)
    with pytest.raises(OSError, match=target.name):
        write_bytes(target, b"new")
    assert names_beside(target) == [target.name]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_is_that_of_the_umask(target: Path, umask: int, mode: int):
    before = os.umask(umask)
    try:
        write_bytes(target, b"")
        assert target.stat().st_mode & 0o777 == mode
        assert os.umask(umask) == umask, "the writer changed the umask"
    finally:
        os.umask(before)


def test_text_keeps_bytes_that_are_not_utf_8(target: Path):
    write_text(target, os.fsdecode(b"caf\xe9 \xc3\xa9\n"))
    assert target.read_bytes() == b"caf\xe9 \xc3\xa9\n"


def test_equal_json_content_gives_equal_bytes(target: Path):
    write_json(target, {"b": [1, 2.5], "a": "é"})
    first = target.read_bytes()
    write_json(target, {"a": "é", "b": [1, 2.5]})
    assert target.read_bytes() == first
    assert json.loads(first) == {"a": "é", "b": [1, 2.5]}
    assert first.endswith(b"}\n")
