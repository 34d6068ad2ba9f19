"""Folders that look like data sources; scanning does not care whether their files are videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from varml.ground.memory import Memory


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A data source with two classes of three files each."""
    folder = tmp_path / "source"
    for label in ("run", "wave"):
        for number in range(3):
            file = folder / label / f"{number}.mp4"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(f"{label} {number}".encode())
    return folder


@pytest.fixture
def annotate(source: Path) -> Callable[[Iterable[str]], str]:
    """A function that writes lines as the annotations of ``source`` and returns their name."""

    def write(lines: Iterable[str]) -> str:
        (source / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return "labels.csv"

    return write


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """A new memory."""
    return Memory(tmp_path / "state" / "memory.sqlite")
