"""Equal parts give equal keys, other parts other keys."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from varml.ground.content_key import content_key, file_digest


def test_a_key_is_32_hexadecimal_digits():
    key = content_key(a=1)
    assert len(key) == 32
    assert int(key, 16) >= 0


def test_the_order_of_parts_and_of_nested_keys_does_not_matter():
    assert content_key(a=1, b={"x": 1, "y": 2}) == content_key(b={"y": 2, "x": 1}, a=1)


@pytest.mark.parametrize(
    "other",
    [{"a": 2, "b": [1, 2]}, {"a": 1, "b": [2, 1]}, {"a": "1", "b": [1, 2]}, {"a": 1}, {"a": 1, "c": [1, 2]},
     {"a": 1, "b": [1, 2], "c": None}, {"a": 1.5, "b": [1, 2]}],
)  # fmt: skip
def test_another_part_gives_another_key(other: dict[str, object]):
    assert content_key(**other) != content_key(a=1, b=[1, 2])


def test_parts_are_not_run_together():
    assert content_key(a="xy", b="z") != content_key(a="x", b="yz")


def test_a_part_that_json_cannot_write_is_refused():
    with pytest.raises(TypeError):
        content_key(path=Path("x"))


def test_the_digest_of_a_file_is_its_sha256(tmp_path: Path):
    content = bytes(range(256)) * 4096
    (tmp_path / "file").write_bytes(content)
    assert file_digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()
