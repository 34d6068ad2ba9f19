"""Every name of a file comes back from its text, and the text is fit for tables."""

from __future__ import annotations

import csv
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varml.data.names import from_text, to_text
from varml.errors import DataError

# What a Linux file system takes as a path: bytes without NUL. Pieces that look like escapes come up on purpose.
PIECES = st.sampled_from(
    [b"\\", b"\\x", b"\\n", b"\n", b"\r", b"\xff", b"\xc2\x85", b"\xe2\x80\xa8", "é".encode(), b"c3"]
)
PATHS = st.lists(st.binary(max_size=4) | PIECES, max_size=8).map(lambda parts: b"".join(parts).replace(b"\0", b"/"))


@given(PATHS)
def test_a_name_comes_back_from_its_text(name: bytes):
    text = to_text(os.fsdecode(name))
    assert os.fsencode(from_text(text)) == name


@given(PATHS)
def test_the_text_is_one_line_of_utf_8(name: bytes):
    text = to_text(os.fsdecode(name))
    assert text.encode("utf-8").decode("utf-8") == text
    assert len(text.splitlines()) == bool(text)
    assert not any(ord(character) < 32 for character in text)


@given(PATHS, PATHS)
def test_other_names_have_other_texts(one: bytes, other: bytes):
    assert (to_text(os.fsdecode(one)) == to_text(os.fsdecode(other))) == (one == other)


@given(PATHS)
def test_a_csv_keeps_the_text(name: bytes):
    text, file = to_text(os.fsdecode(name)), io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerow([text, "x"])
    assert next(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [text, "x"]


@pytest.mark.parametrize(
    "name", ["wave/person01_1.mp4", " a b .mp4 ", "-rf", "é 日本 👨‍👩‍👧.mp4", "\"'%s;$(x)", "\u00a0\ufeff"]
)
def test_a_plain_name_is_its_own_text(name: str):
    assert to_text(name) == name
    assert from_text(name) == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"new\nline", r"new\nline"),
        (b"\r\t", r"\r\t"),
        (b"back\\slash", r"back\\slash"),
        (b"caf\xe9", r"caf\xe9"),
        (b"\x01\x7f", r"\x01\x7f"),
        ("\u0085\u2028".encode(), r"\u0085\u2028"),
        (b"\\xe9", r"\\xe9"),
    ],
)
def test_how_a_name_is_written(name: bytes, text: str):
    assert to_text(os.fsdecode(name)) == text


@pytest.mark.parametrize("text", ["a\\", "\\q", "\\xg0", "\\x4", "\\u20", "\\ud800", "\\XFF"])
def test_a_backslash_that_begins_no_escape_is_refused(text: str):
    with pytest.raises(DataError, match=r"has a backslash that begins no escape; write a backslash in a name as \\\\"):
        from_text(text)
