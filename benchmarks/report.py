"""How every benchmark reports: a table in the terminal, and the same figures as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured value; ``goal`` is an upper bound, a lower one where ``at_least``, or None where there is none."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False

    @property
    def ok(self) -> bool | None:
        """Whether the goal is reached, or None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def report(title: str, figures: list[Figure], json_file: Path | None) -> None:
    """Print ``figures`` as a table, and write them to ``json_file`` where one is named."""
    table = Table("name", "value", "goal", "", title=title, title_justify="left")
    for figure in figures:
        bound = "at least" if figure.at_least else "at most"
        goal = "" if figure.goal is None else f"{bound} {figure.goal:g} {figure.unit}"
        mark = {True: "ok", False: "MISSED", None: ""}[figure.ok]
        table.add_row(figure.name, f"{figure.value:.2f} {figure.unit}", goal, mark)
    Console(soft_wrap=True).print(table)
    if json_file is not None:
        rows = [{**asdict(figure), "ok": figure.ok} for figure in figures]
        json_file.write_text(json.dumps(rows, indent=2) + "\n")
