"""Answers withheld, on six videos whose order is seen at a glance."""

from __future__ import annotations

import numpy as np
import pytest

from varml.metrics.selective import coverage_curve, selective_metrics, threshold_for

# From the surest on: right, right, wrong, right, wrong, wrong.
CONFIDENCES = [0.95, 0.9, 0.85, 0.8, 0.7, 0.6]
LABELS = np.array([0, 0, 1, 0, 1, 1])
PROBABILITIES = np.array([[p, 1 - p] for p in CONFIDENCES])
SHUFFLED = np.array([3, 0, 5, 1, 4, 2])


def test_the_curve_answers_one_more_with_each_row() -> None:
    curve = coverage_curve(LABELS[SHUFFLED], PROBABILITIES[SHUFFLED])
    assert curve["threshold"].tolist() == CONFIDENCES
    assert curve["coverage"].tolist() == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert curve["top1"].tolist() == pytest.approx([1, 1, 2 / 3, 3 / 4, 3 / 5, 1 / 2])


def test_videos_of_one_confidence_are_answered_together() -> None:
    curve = coverage_curve(np.array([0, 1, 0]), np.array([[0.8, 0.2], [0.8, 0.2], [0.6, 0.4]]))
    assert curve.to_dict("list") == {
        "threshold": [0.8, 0.6],
        "coverage": pytest.approx([2 / 3, 1]),
        "top1": pytest.approx([1 / 2, 2 / 3]),
    }


@pytest.mark.parametrize(
    ("min_precision", "threshold"),
    [(0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.75, 0.8), (0.76, 0.9), (1.0, 0.9)],
)
def test_the_threshold_answers_as_many_as_the_precision_allows(min_precision: float, threshold: float) -> None:
    assert threshold_for(LABELS[SHUFFLED], PROBABILITIES[SHUFFLED], min_precision) == threshold
    answered = PROBABILITIES.max(1) >= threshold
    assert selective_metrics(LABELS, PROBABILITIES, answered)["selective_top1"] >= min_precision


def test_a_precision_that_nothing_reaches_gives_the_best_there_is() -> None:
    labels = np.array([1, 0, 0])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    assert threshold_for(labels, probabilities, 0.99) == 0.7  # two of three; the surest is wrong


def test_figures_of_the_answered() -> None:
    figures = selective_metrics(LABELS, PROBABILITIES, PROBABILITIES.max(1) >= 0.8)
    assert figures == {"coverage": pytest.approx(4 / 6), "selective_top1": pytest.approx(3 / 4)}
    assert selective_metrics(LABELS, PROBABILITIES, np.ones(6, bool)) == {"coverage": 1.0, "selective_top1": 0.5}


def test_where_nothing_is_answered_nothing_is_right_or_wrong() -> None:
    assert selective_metrics(LABELS, PROBABILITIES, np.zeros(6, bool)) == {"coverage": 0.0}
