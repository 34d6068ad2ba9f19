"""One labelled video: a file below the data source, or a clip of it."""

from __future__ import annotations

from dataclasses import dataclass, field

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class LabelledFile:
    """One row: ``path`` is relative to the data source; ``group`` and ``split`` are empty where not given.

    ``start_sec`` and ``end_sec`` bound a clip, as text that no table rounds; both are empty for the whole file.
    ``listed_in`` and ``line`` say where the row was read, for messages; a class folder has no lines.
    """

    path: str
    label: str
    group: str = ""
    split: str = ""
    start_sec: str = field(default="", kw_only=True)
    end_sec: str = field(default="", kw_only=True)
    listed_in: str = field(default="", kw_only=True, compare=False)
    line: int = field(default=0, kw_only=True, compare=False)

    @property
    def clip(self) -> tuple[str, str, str]:
        """What no other row may name: path, start and end."""
        return self.path, self.start_sec, self.end_sec

    @property
    def place(self) -> str:
        """Where the row was read, such as ``labels.csv, line 3``; empty for a class folder."""
        return f"{self.listed_in}, line {self.line}" if self.line else ""
