"""What a terminal shows of a search: figures that can be computed by hand."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from rich.console import Console

from varml.search.progress.live_table import NUM_LAST, Progress, progress_table

START = datetime(2026, 1, 1, 12)
SPACE = {"model.fusion": CategoricalDistribution(["rgb", "late"]), "train.lr": FloatDistribution(1e-4, 1)}


def make_trial(
    number: int, state: TrialState, value: float | None = None, *, fusion: str = "rgb", sec: float = 10, **attrs: Any
) -> FrozenTrial:
    values = {"model.fusion": fusion, "train.lr": 0.00345}
    trial = create_trial(state=state, value=value, params=values, distributions=SPACE, user_attrs=attrs)
    trial.number, trial.datetime_start = number, START
    trial.datetime_complete = None if state == TrialState.RUNNING else START + timedelta(seconds=sec)
    return trial


def complete(number: int, value: float, **options: Any) -> FrozenTrial:
    return make_trial(number, TrialState.COMPLETE, value, **options)


def progress(trials: list[FrozenTrial], *, total: int = 20, num_workers: int = 1, sec: float = 75) -> Progress:
    return Progress(trials, total, num_workers, START, START + timedelta(seconds=sec))


def text_of(shown: Progress, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(progress_table(shown))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_before_the_first_trial_there_is_nothing_to_go_by() -> None:
    lines = text_of(progress([]))
    assert lines[0] == "trial 0/20: 0 complete, 0 pruned, 0 failed; 1:15 so far"
    assert lines[1] == "best: none yet"


def test_it_counts_states_and_names_the_best() -> None:
    trials = [
        complete(0, 0.75),
        complete(1, 0.875, fusion="late"),
        make_trial(2, TrialState.PRUNED),
        make_trial(3, TrialState.FAIL),
    ]
    lines = text_of(progress(trials))
    # 16 more trials of 10 s each.
    assert lines[0] == "trial 4/20: 2 complete, 1 pruned, 1 failed; 1:15 so far, about 2:40 to go"
    assert lines[1] == "best: 0.875 by trial 1: fusion late, lr 0.0034"


def test_equal_values_are_ranked_by_loss_and_then_by_number() -> None:
    trials = [complete(0, 0.5, log_loss=0.9), complete(1, 0.5, log_loss=0.7), complete(2, 0.5, log_loss=0.7)]
    best = progress(trials).best
    assert best is not None
    assert best.number == 1


def test_a_pruned_trial_is_never_the_best() -> None:
    pruned = make_trial(1, TrialState.PRUNED)
    pruned.intermediate_values = {0: 1.0}
    best = progress([complete(0, 0.5), pruned]).best
    assert best is not None
    assert best.number == 0


@pytest.mark.parametrize(
    ("num_workers", "seconds"),
    # Of 20 trials 17 are left, and the median of 4, 6 and 100 s is 6 s: 17, 6 or 1 rounds of it.
    [(1, 102), (3, 36), (17, 6), (40, 6)],
)
def test_the_time_to_go_is_the_median_times_the_rounds(num_workers: int, seconds: float) -> None:
    trials = [complete(0, 0.5, sec=4), complete(1, 0.5, sec=100), make_trial(2, TrialState.FAIL, sec=6)]
    assert progress(trials, num_workers=num_workers).remaining == timedelta(seconds=seconds)


def test_trials_of_other_studies_count_and_tell_nothing_of_the_time() -> None:
    theirs = [complete(number, 0.5, sec=0, taken_from="varml-1 #0") for number in range(3)]
    assert progress(theirs).remaining is None
    assert progress([*theirs, complete(3, 0.5, sec=8)]).remaining == timedelta(seconds=16 * 8)
    assert text_of(progress(theirs))[-2].rstrip("│ ").endswith("rgb, lr 0.0034")  # no seconds


def test_trials_beyond_the_total_raise_it_and_leave_nothing_to_do() -> None:
    shown = progress([complete(number, 0.5) for number in range(3)], total=2)
    assert shown.remaining == timedelta(0)
    assert text_of(shown)[0].startswith("trial 3/3: ")


def test_the_last_trials_and_those_that_run_have_rows() -> None:
    trials = [complete(number, number / 100) for number in range(9)]
    failed = make_trial(9, TrialState.FAIL, sec=2.5, reason="RuntimeError: too [deep]")
    rows = text_of(progress([*trials, failed, make_trial(10, TrialState.RUNNING)]))[5:-1]
    cells = [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]
    assert [row[0] for row in cells] == ["5", "6", "7", "8", "9", "10"]
    assert len(cells) == NUM_LAST + 1
    assert cells[0] == ["5", "0.050", "fusion rgb, lr 0.0034", "10.0 s"]
    assert cells[-2] == ["9", "fail", "RuntimeError: too [deep]", "2.5 s"]
    assert cells[-1] == ["10", "running", "fusion rgb, lr 0.0034", "75.0 s"]


def test_hours_are_shown_from_an_hour_on() -> None:
    assert "; 59:59 so far" in text_of(progress([], sec=3599))[0]
    assert "; 1:00:00 so far" in text_of(progress([], sec=3600))[0]


def test_a_narrow_terminal_loses_no_figure() -> None:
    lines = text_of(progress([complete(0, 0.5)]), width=40)
    assert all(len(line) <= 40 for line in lines)
    assert "to go" in " ".join(lines)
