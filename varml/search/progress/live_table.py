"""What a terminal shows of a search while it runs: how far it is, the best trial, the last ones, and when it ends."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from optuna.trial import FrozenTrial, TrialState
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from varml.search.progress.trial_words import outcome_of, short_values
from varml.search.study import REASON, TAKEN_FROM, by_rank

NUM_LAST = 5
ENDED = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
COLOURS = {TrialState.COMPLETE: "", TrialState.PRUNED: "dim", TrialState.FAIL: "red", TrialState.RUNNING: "cyan"}


@dataclass(frozen=True)
class Progress:
    """How far a search is, from nothing but its ``trials``: those that count as ended, and those that run.

    ``total`` trials are wanted, ``num_workers`` run side by side; ``begun`` and ``now`` are local times as Optuna's.
    """

    trials: Sequence[FrozenTrial]
    total: int
    num_workers: int
    begun: datetime
    now: datetime
    budget_ms: float | None = None  # of latency, within which the best one lies

    @property
    def ended(self) -> list[FrozenTrial]:
        """The trials that have ended, in the order of their numbers."""
        return [trial for trial in self.trials if trial.state in ENDED]

    @property
    def best(self) -> FrozenTrial | None:
        """The best of the complete ones, as :func:`varml.search.study.ranked_trials` has it."""
        complete = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        return next(iter(by_rank(complete, self.budget_ms)), None)

    @property
    def elapsed(self) -> timedelta:
        """How long it has been running."""
        return self.now - self.begun

    @property
    def remaining(self) -> timedelta | None:
        """How much longer it takes if each round of ``num_workers`` trials takes the median of those that have ended.

        None before the first has ended here: trials from other studies took no time. Trials that run have no less to
        go than those that have not begun.
        """
        taken = [trial.duration for trial in self.ended if TAKEN_FROM not in trial.user_attrs]
        seconds = [duration.total_seconds() for duration in taken if duration is not None]
        if not seconds:
            return None
        rounds = -(-max(0, self.total - len(self.ended)) // self.num_workers)
        return timedelta(seconds=rounds * statistics.median(seconds))


def progress_table(progress: Progress) -> RenderableType:
    """Return what is shown: a line of figures, a line of the best trial, and a table of the last ones."""
    return Group(_figures(progress), _best(progress.best), _last(progress))


def _figures(progress: Progress) -> Text:
    states = Counter(trial.state for trial in progress.ended)
    counts = ", ".join(f"{states[state]} {word}" for state, word in ENDED.items())
    left = f", about {_clock(progress.remaining)} to go" if progress.remaining else ""
    num_ended = len(progress.ended)
    total = max(progress.total, num_ended)
    return Text(f"trial {num_ended}/{total}: {counts}; {_clock(progress.elapsed)} so far{left}", overflow="fold")


def _best(best: FrozenTrial | None) -> Text:
    if best is None:
        return Text("best: none yet")
    return Text(f"best: {outcome_of(best)} by trial {best.number}: {short_values(best)}", style="bold", overflow="fold")


def _last(progress: Progress) -> Table:
    table = Table("trial", "value", "of", "took", expand=False, title_justify="left")
    running = [trial for trial in progress.trials if trial.state == TrialState.RUNNING]
    for trial in [*progress.ended[-NUM_LAST:], *running]:
        # Why it failed is of more use than with what.
        says = trial.user_attrs.get(REASON) or short_values(trial)
        row = [Text(cell) for cell in (str(trial.number), outcome_of(trial), says, _took(trial, progress.now))]
        table.add_row(*row, style=COLOURS[trial.state])
    return table


def _took(trial: FrozenTrial, now: datetime) -> str:
    if trial.datetime_start is None or TAKEN_FROM in trial.user_attrs:
        return ""
    return f"{((trial.datetime_complete or now) - trial.datetime_start).total_seconds():.1f} s"


def _clock(span: timedelta) -> str:
    """Return whole seconds as ``m:ss``, or ``h:mm:ss`` from an hour on."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
