"""Figures on predictions small enough to count."""

from __future__ import annotations

from math import log

import numpy as np
import pandas as pd
import pytest

from varml.metrics.classification import (
    METRICS,
    accuracy_interval,
    classification_metrics,
    cross_entropy,
)
from varml.metrics.confusion import confusion_figure, confusion_table

# Four videos of class 0, of which three are recognised and one is taken for 2; two of class 1, of which one is
# taken for 0; none of class 2.
LABELS = np.array([0, 0, 0, 0, 1, 1])
PREDICTED = np.array([0, 0, 0, 2, 1, 0])
PROBABILITIES = np.eye(3)[PREDICTED] * 0.7 + 0.1


def test_top1_counts_every_video_alike() -> None:
    assert classification_metrics(LABELS, PROBABILITIES)["top1"] == pytest.approx(4 / 6)


def test_mean_class_accuracy_counts_every_class_alike() -> None:
    assert classification_metrics(LABELS, PROBABILITIES)["mean_class_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_macro_f1_is_the_mean_over_classes_present_in_either() -> None:
    # Class 0 has precision 3/4 and recall 3/4, class 1 has 1 and 1/2, class 2 is predicted once and never right.
    assert classification_metrics(LABELS, PROBABILITIES)["macro_f1"] == pytest.approx((3 / 4 + 2 / 3 + 0) / 3)


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_prediction_has_one_and_a_wrong_one_zero(name: str) -> None:
    labels = np.array([0, 1, 2])
    assert METRICS[name](labels, np.eye(3)) == 1
    assert METRICS[name](labels, np.eye(3)[[1, 2, 0]]) == 0


def test_top5_says_something_from_six_classes_on() -> None:
    labels = np.array([0, 5])
    ascending = np.tile(np.arange(1, 7) / 21, (2, 1))  # class 0 comes last, class 5 first
    assert classification_metrics(labels, ascending)["top5"] == 0.5
    assert "top5" not in classification_metrics(np.array([0, 4]), np.full((2, 5), 0.2))


def test_cross_entropy_by_hand() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], dtype=np.float32)
    assert cross_entropy(np.array([1, 1]), probabilities) == pytest.approx((log(4) - log(0.8)) / 2)


def test_cross_entropy_of_a_class_that_was_given_no_chance_is_finite() -> None:
    assert 10 < cross_entropy(np.array([1]), np.array([[1.0, 0.0]], dtype=np.float32)) < 1000


@pytest.mark.parametrize(
    ("num_right", "num_videos", "confidence", "expected"),
    [
        (8, 10, 0.95, (0.490162, 0.943318)),
        (0, 10, 0.95, (0.0, 0.277533)),
        (10, 10, 0.95, (0.722467, 1.0)),
        (8, 10, 0.5, (0.702491, 0.871401)),
    ],
)
def test_interval_by_wilson(num_right: int, num_videos: int, confidence: float, expected: tuple[float, float]) -> None:
    labels = np.zeros(num_videos, dtype=np.int64)
    probabilities = np.eye(2)[[0] * num_right + [1] * (num_videos - num_right)]
    # Equation 4 of Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion", 2001.
    z = {0.95: 1.959964, 0.5: 0.674490}[confidence]
    share, n = num_right / num_videos, num_videos
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    interval = accuracy_interval(labels, probabilities, confidence)
    assert interval == pytest.approx((middle - half, middle + half), abs=1e-5)
    assert interval == pytest.approx(expected, abs=1e-5)


def test_confusion_table_names_actual_and_predicted() -> None:
    predictions = pd.DataFrame({"label": ["run", "wave"], "predicted": ["wave", "wave"], "p_run": [0.1, 0.2]})
    table = confusion_table(predictions)
    assert table.to_dict("list") == {"actual": ["run", "wave"], "predicted": ["wave", "wave"]}


def test_confusion_figure_counts_in_the_cells_with_true_classes_down_the_side() -> None:
    predictions = pd.DataFrame({"label": ["run", "run", "run", "wave"], "predicted": ["run", "wave", "wave", "wave"]})
    (axes,) = confusion_figure(predictions, ["jump", "run", "wave"]).axes
    assert [text.get_text() for text in axes.texts] == ["0", "0", "0", "0", "1", "2", "0", "0", "1"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Predicted label", "True label")
