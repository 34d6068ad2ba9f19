"""Base64 that is too long to be held at once."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass

from varml.serving.file_text import FileText

PIECE_BYTES = 1 << 20
# What encoders put into base64 beside its letters, as it is or as JSON writes it: line ends, and `/` as `\\/`.
_ESCAPES = ((b"\\/", b"/"), (b"\\n", b""), (b"\\r", b""))
_LINE_ENDS = b"\r\n"


@dataclass(frozen=True)
class Text:
    """The bytes of ``source`` from ``start`` to ``end``."""

    source: FileText | bytes
    start: int
    end: int


def decode(text: Text, write: Callable[[bytes], object], piece_bytes: int = PIECE_BYTES) -> None:
    """Hand what ``text`` stands for to ``write`` in pieces; raises ValueError where it is no base64."""
    left, place, ended = b"", text.start, False
    while place < text.end:
        piece, place = _next_piece(text, place, piece_bytes)
        piece = left + _plain(piece)
        cut = len(piece) if place == text.end else len(piece) // 4 * 4
        whole, left = piece[:cut], piece[cut:]
        if len(whole) % 4 or (ended and whole):
            raise ValueError("base64 comes in fours, of which only the last ends with =")
        ended = whole.endswith(b"=")
        write(binascii.a2b_base64(whole, strict_mode=True))


def _next_piece(text: Text, place: int, piece_bytes: int) -> tuple[bytes, int]:
    """Return the bytes at ``place``, and where the next ones are; an escape is not cut in two."""
    end = min(place + piece_bytes, text.end)
    piece = text.source[place:end]
    if piece.endswith(b"\\") and end < text.end:
        end += 1
    return text.source[place:end], end


def _plain(piece: bytes) -> bytes:
    for escape, meant in _ESCAPES:
        piece = piece.replace(escape, meant)
    return piece.translate(None, _LINE_ENDS)
