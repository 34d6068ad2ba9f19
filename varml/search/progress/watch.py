"""Where the news of a search goes: into a live table in a terminal, as a line for each trial elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import FrozenTrial
from rich.console import Console, RenderableType
from rich.live import Live

from varml.search.progress.live_table import Progress, progress_table

# So that seconds are seen to pass while a trial runs.
REFRESHES_A_SECOND = 2


@dataclass(frozen=True)
class Watch:
    """What a search tells: ``show`` the state of its trials, as often as it likes, and ``say`` a line for each."""

    show: Callable[[Sequence[FrozenTrial]], None]
    say: Callable[[str], None]


@contextmanager
def watched(total: int, num_workers: int, budget_ms: float | None = None) -> Iterator[Watch]:
    """Give a :class:`Watch` for a search of ``total`` trials, ``num_workers`` at the same time.

    With a budget of latency, the best trial is the best one that keeps to it.
    In a terminal the table is drawn anew until the block ends, and its last state stays there; what is printed in the
    meantime appears above it. Elsewhere (CI, log files) the lines are printed and there is no table.
    """
    if not sys.stdout.isatty():
        yield Watch(lambda trials: None, lambda line: print(line, flush=True))
        return
    table = _LiveTable(total, num_workers, budget_ms, datetime.now())
    with Live(get_renderable=table.drawn, refresh_per_second=REFRESHES_A_SECOND, console=Console(highlight=False)):
        yield Watch(table.show, lambda line: None)


@dataclass
class _LiveTable:
    total: int
    num_workers: int
    budget_ms: float | None
    begun: datetime
    trials: Sequence[FrozenTrial] = ()

    def show(self, trials: Sequence[FrozenTrial]) -> None:
        self.trials = list(trials)

    def drawn(self) -> RenderableType:
        # In a thread of rich's own, which therefore reads no study.
        now = datetime.now()
        return progress_table(Progress(self.trials, self.total, self.num_workers, self.begun, now, self.budget_ms))
