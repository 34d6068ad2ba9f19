"""Good videos under odd names; each file has other bytes, so that none is taken for another's copy."""

from __future__ import annotations

import os

_SHORT = 24
_FIRST = 2000
_UMLAUT = "Gänsefüßchen.mp4"
_NAMES = [_named(name, number) for number, name in enumerate(_NAMES)]
assert max(len(os.fsencode(entry.record.name)) for entry in NAMES) == 255
