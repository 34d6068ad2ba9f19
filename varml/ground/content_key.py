"""Names for computed files: equal inputs, params and code version give the same name, anything else another."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

_KEY_LENGTH = 32


def content_key(**parts: Any) -> str:
    """Return 32 hexadecimal digits that stand for all ``parts`` (anything JSON writes) together."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


def file_digest(path: Path) -> str:
    """Return the sha256 of the bytes of ``path`` in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
