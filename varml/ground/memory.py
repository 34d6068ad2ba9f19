"""A persistent memory of small results in ``.varml/``: what was computed once is not computed again.

Losing it costs time and nothing else.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

_CREATE = "CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
# What every SQLite takes in one statement.
_KEYS_AT_ONCE = 500


class Memory:
    """JSON values by text keys in one SQLite file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with closing(self._connect()) as connection, connection:
            connection.execute(_CREATE)

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return what is remembered of ``keys``; the rest of a memory that has grown for years stays where it is."""
        wanted, found = list(dict.fromkeys(keys)), dict[str, Any]()
        with closing(self._connect()) as connection:
            for start in range(0, len(wanted), _KEYS_AT_ONCE):
                some = wanted[start : start + _KEYS_AT_ONCE]
                places = ",".join("?" * len(some))
                rows = connection.execute(f"SELECT key, value FROM memory WHERE key IN ({places})", some)
                found |= {key: json.loads(value) for key, value in rows}
        return found

    def put(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Remember all ``entries`` in one transaction."""
        rows = [(key, json.dumps(value)) for key, value in dict(entries).items()]
        with closing(self._connect()) as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO memory VALUES (?, ?)", rows)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)
