"""The temperature, where it can be computed by hand and where it must follow from another."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from varml.metrics.calibration import expected_calibration_error
from varml.training.calibration import (
    HIGHEST,
    LOWEST,
    calibrate,
    cross_calibrated,
    fit_temperature,
    smoothed_targets,
)
from varml.training.out_of_fold import OutOfFold


def two_classes(num_right: int, num_videos: int, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and predictions of class 0 that are all as sure and right for the first ``num_right``."""
    labels = np.array([0] * num_right + [1] * (num_videos - num_right))
    return labels, np.tile(np.array([[confidence, 1 - confidence]], dtype=np.float32), (num_videos, 1))


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max(1, keepdims=True))
    return (exponentials / exponentials.sum(1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Return scores (N, K) and labels that are drawn from their softmax."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4000, 4)) * 2
    labels = (rng.random((4000, 1)) < softmax(scores).cumsum(1)).argmax(1)
    return scores, labels


@pytest.mark.parametrize(("num_right", "confidence"), [(750, 0.95), (750, 0.6), (900, 0.9)])
def test_the_temperature_makes_confidence_what_was_right(num_right: int, confidence: float) -> None:
    labels, probabilities = two_classes(num_right, 1000, confidence)
    # The loss is least where sigmoid(s / T) is the mean target of class 0, s the log-odds of the confidence.
    rest = 1 / 1002
    share = (num_right * (1 - rest) + (1000 - num_right) * rest) / 1000
    expected = log(confidence / (1 - confidence)) / log(share / (1 - share))
    temperature = fit_temperature(labels, probabilities)
    assert temperature == pytest.approx(expected, rel=1e-3)
    assert calibrate(probabilities, temperature)[0, 0] == pytest.approx(share, abs=1e-3)


def test_targets_leave_one_in_n_plus_two_to_the_other_classes() -> None:
    targets = smoothed_targets(np.array([2, 0, 0]), 3).numpy()
    assert targets == pytest.approx(np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.8, 0.1, 0.1]]))


@pytest.mark.parametrize("num_videos", [10, 100])
def test_no_number_of_videos_makes_a_model_certain(num_videos: int) -> None:
    labels, probabilities = two_classes(num_videos, num_videos, 0.7)
    calibrated = calibrate(probabilities, fit_temperature(labels, probabilities))
    assert calibrated[0, 0] == pytest.approx(1 - 1 / (num_videos + 2), abs=1e-3)


def test_temperature_one_changes_no_bit(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities = softmax(drawn[0])
    assert np.array_equal(calibrate(probabilities, 1.0), probabilities)


def test_what_labels_are_drawn_from_has_temperature_one(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = drawn
    assert fit_temperature(labels, softmax(scores)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("factor", [0.25, 0.5, 3.0])
def test_scaled_scores_are_scaled_back(drawn: tuple[np.ndarray, np.ndarray], factor: float) -> None:
    scores, labels = drawn
    temperature, scaled = fit_temperature(labels, softmax(scores)), fit_temperature(labels, softmax(factor * scores))
    assert scaled == pytest.approx(factor * temperature, rel=0.01)
    one, other = calibrate(softmax(scores), temperature), calibrate(softmax(factor * scores), scaled)
    assert one == pytest.approx(other, abs=0.005)


def test_calibration_lowers_the_calibration_error_and_changes_no_answer(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = drawn
    probabilities = softmax(4 * scores)
    calibrated = calibrate(probabilities, fit_temperature(labels, probabilities))
    assert expected_calibration_error(labels, probabilities) > 0.1
    assert expected_calibration_error(labels, calibrated) < 0.03
    assert np.array_equal(calibrated.argmax(1), probabilities.argmax(1))
    assert calibrated.sum(1) == pytest.approx(1, abs=1e-5)


def test_a_probability_of_zero_is_no_infinity() -> None:
    certain = np.eye(2, dtype=np.float32)
    temperature = fit_temperature(np.array([0, 0]), certain)
    assert LOWEST <= temperature <= HIGHEST
    assert np.isfinite(calibrate(certain, temperature)).all()


def test_a_fold_has_no_part_in_its_own_temperature() -> None:
    labels, probabilities = two_classes(30, 40, 0.9)
    folds = np.arange(40) % 2
    oof = OutOfFold([""] * 40, labels, folds, probabilities[None])
    before = cross_calibrated(oof, probabilities)
    changed = np.where(folds == 0, 1 - labels, labels)
    after = cross_calibrated(OutOfFold([""] * 40, changed, folds, probabilities[None]), probabilities)
    assert np.array_equal(before[folds == 0], after[folds == 0])
    assert not np.array_equal(before[folds == 1], after[folds == 1])
    one_fold = OutOfFold([""] * 40, labels, np.zeros(40, dtype=np.int64), probabilities[None])
    assert np.array_equal(cross_calibrated(one_fold, probabilities), probabilities)
