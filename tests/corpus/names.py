"""Good videos under odd names; each file has other bytes, so that none is taken for another's copy."""

from __future__ import annotations

import os
import struct
import unicodedata
from typing import Any

from .codecs import H264
from .kit import Kit, Shot, changed
from .mp4 import box
from .record import Entry

_SHORT = 24
_FIRST = 2000
_UMLAUT = "Gänsefüßchen.mp4"
_NAMES = [
    "name with spaces.mp4",
    " leading and trailing space .mp4",
    "-dash.mp4",
    "--help",
    "new\nline.mp4",
    "tab\tstop.mp4",
    "'single' \"double\" `back`.mp4",
    "comma,semi;colon.mp4",
    "100%.mp4",
    "frame%03d.mp4",
    "hash#question?and&.mp4",
    "$HOME ~ * [a-z] {b}.mp4",
    "back\\slash.mp4",
    "http:colon.mp4",
    "concat:a|b.mp4",
    unicodedata.normalize("NFC", _UMLAUT),
    unicodedata.normalize("NFD", f"NFD {_UMLAUT}"),
    "日本語の名前.mp4",
    "العربية.mp4",
    "🤸‍♀️ emoji of several characters 👨‍👩‍👧.mp4",
    "🎬.mp4",
    "no\u00a0break\u3000space.mp4",
    "می‌خواهم.mp4",
    f"{'x' * 251}.mp4",
    f"{'é' * 125}.mp4",
    "UPPER CASE.MP4",
    "no extension",
    "wrong extension.avi",
    "wrong extension.txt",
    "wrong extension.jpg",
    "wrong extension.m3u8",
    "two.dots..mp4",
    "trailing dot.",
    "=formula().mp4",
    "NA",
    "null",
    "x.mp4/inside a folder named like a video.mp4",
    "not UTF-8 caf\udce9 \udcff.mp4",
    "carriage\rreturn.mp4",
    "escape \x1b[31m.mp4",
]


def _named(name: str, number: int, **how: Any) -> Entry:
    def make(kit: Kit) -> bytes:
        plain = kit.plain("named.mp4", H264, Shot(_SHORT, first=_FIRST))
        return plain + box(b"free", struct.pack(">I", number))

    barcodes, times_sec = range(_FIRST, _FIRST + _SHORT), Shot(_SHORT).times_sec()
    truth: dict[str, Any] = {"kind": "odd name", "barcodes": tuple(barcodes), "times_sec": times_sec, **how}
    return changed(name, make, **truth)


NAMES = [_named(name, number) for number, name in enumerate(_NAMES)]
assert max(len(os.fsencode(entry.record.name)) for entry in NAMES) == 255
