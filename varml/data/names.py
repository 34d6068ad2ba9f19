"""File names in tables: any name that a file system holds, as one line of UTF-8 text that gives the name back."""

from __future__ import annotations

import os
import re

from varml.errors import DataError

# Backslashes, control characters, what some readers take for the end of a line, and bytes that are not UTF-8, which
# Python keeps as U+DC80 to U+DCFF. The set is closed, so that no version of Unicode changes what is written.
_WRITTEN_AS_ESCAPE = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\udc80-\udcff]")
_ESCAPE = re.compile(r"\\(?:([\\nrt])|x([0-9a-f]{2})|u(00[89][0-9a-f]|202[89])|)")
_SHORT = {"\\": "\\", "\n": "n", "\r": "r", "\t": "t"}
_LONG = {letter: character for character, letter in _SHORT.items()}
_FIRST_BYTE = 0x80
_BYTES = 0xDC00


def to_text(path: str) -> str:
    r"""Return ``path`` (as :func:`os.fsdecode` gives it) with ``\\``, ``\n``, ``\r``, ``\t``, ``\xff``, ``\u0085``.

    A name without backslashes, control characters and bytes that are not UTF-8 is written as it is. Other names give
    other texts.
    """
    # By way of the bytes: in another locale the same file has another str, and tables must not tell the locale.
    characters = os.fsencode(path).decode("utf-8", errors="surrogateescape")
    return _WRITTEN_AS_ESCAPE.sub(lambda match: _escape(match[0]), characters)


def from_text(text: str) -> str:
    """Return the path that :func:`to_text` wrote; raises DataError where ``text`` has an escape of no kind."""
    characters = _ESCAPE.sub(lambda match: _unescape(match, text), text)
    return os.fsdecode(characters.encode("utf-8", errors="surrogateescape"))


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return f"\\{_SHORT[character]}"
    if code >= _BYTES:
        return f"\\x{code - _BYTES:02x}"
    return f"\\x{code:02x}" if code < _FIRST_BYTE else f"\\u{code:04x}"


def _unescape(match: re.Match[str], text: str) -> str:
    short, two_digits, four_digits = match.groups()
    if short:
        return _LONG[short]
    if two_digits:
        code = int(two_digits, 16)
        return chr(code if code < _FIRST_BYTE else _BYTES + code)
    if four_digits:
        return chr(int(four_digits, 16))
    raise DataError(rf"the name {text!r} has a backslash that begins no escape; write a backslash in a name as \\")
