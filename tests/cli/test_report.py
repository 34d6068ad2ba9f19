"""The table that ends a run, and what is said below it."""

from __future__ import annotations

from typing import Any

import pytest

from varml.cli.report import print_report
from varml.tracking.model_registry import Registered

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
