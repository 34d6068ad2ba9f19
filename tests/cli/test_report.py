"""The table that ends a run, and what is said below it."""

from __future__ import annotations

from typing import Any

import pytest

from varml.cli.report import print_report
from varml.tracking.registry.versions import Registered

METRICS = {
    "num_members": 1, "top1": 0.5, "top1_low": 0.4, "top1_high": 0.6, "num_videos": 9, "baseline_top1": 0.25,
    "macro_f1": 0.5, "ece": 0.1, "ece_uncalibrated": 0.2, "coverage": 1.0,
}  # fmt: skip
BEST = {"metric": "macro_f1", "baseline": 0.5, "ranked": [{"value": 0.75, "params": {"model.fusion": "late"}}]}


@pytest.mark.parametrize(
    ("found", "said", "unsaid"),
    [
        ({"beats_baseline": True, "p_second": 0.01}, [], ["did not beat the baseline", "cannot tell"]),
        ({"beats_baseline": False}, ["did not beat the baseline"], ["cannot tell"]),
        ({"beats_baseline": True, "p_second": 0.3}, ["from the second (p = 0.3)"], ["did not beat the baseline"]),
    ],
)
def test_doubts_are_said(
    capsys: pytest.CaptureFixture[str], found: dict[str, Any], said: list[str], unsaid: list[str]
) -> None:
    print_report({**BEST, **found}, METRICS, "varml", Registered(version=2, champion=1))
    output = capsys.readouterr().out
    assert "validation macro_f1" in output
    assert "0.750  (baseline 0.500)" in output
    assert all(text in output for text in said)
    assert not any(text in output for text in unsaid)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"spearman": 0.6, "interval": [-0.2, 0.9], "num_failed": 0},
         ["1 on 24 validated videos ", "0.60  (-0.20 to 0.90, 5 trials, with frozen)"]),
        ({"spearman": 0.5, "interval": None, "num_failed": 2},
         ["1 on 24 validated videos, 2 failed ", "0.50  (5 trials, with frozen)"]),
        ({"spearman": None, "interval": None, "num_failed": 0}, ["1 on 24 validated videos "]),
    ],
)  # fmt: skip
def test_what_was_trained_end_to_end_is_said(
    capsys: pytest.CaptureFixture[str], found: dict[str, Any], said: list[str]
) -> None:
    confirmed = {"value": 0.8, "confirmed": True, "params": {"model.fusion": "late", "train.unfreeze": "last_stage"}}
    best = {**BEST, "beats_baseline": True, "confirmation": {**found, "num": 5, "num_videos": 24}}
    print_report({**best, "ranked": [confirmed, *BEST["ranked"]]}, METRICS, "varml", Registered(version=2, champion=1))
    output = capsys.readouterr().out
    assert "winner train.unfreeze" in output
    assert all(text in output for text in said)
    assert ("rank correlation" in output) == (found["spearman"] is not None)
    print_report({**BEST, "beats_baseline": True}, METRICS, "varml", Registered(version=2, champion=1))
    assert "end to end" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("latency", "budget", "said"),
    [
        ({"latency_ms": 31.26}, {}, "31.3 ms"),
        ({"latency_ms": 31.26}, {"latency_budget_ms": 40}, "31.3 ms  (budget 40 ms)"),
    ],
)
def test_latency_is_told_where_it_was_searched_for(
    capsys: pytest.CaptureFixture[str], latency: dict[str, Any], budget: dict[str, Any], said: str
) -> None:
    winner = {**BEST["ranked"][0], **latency}
    print_report({**BEST, **budget, "ranked": [winner], "beats_baseline": True}, METRICS, "varml", Registered(2, 1))
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "winner latency" in line]
    assert row.split("│")[2].strip() == said
    print_report({**BEST, "beats_baseline": True}, METRICS, "varml", Registered(2, 1))
    assert "latency" not in capsys.readouterr().out
