"""Expected calibration error on bins that can be filled by hand."""

from __future__ import annotations

import numpy as np
import pytest

from varml.metrics.calibration import expected_calibration_error


def binary(confidences: list[float]) -> np.ndarray:
    """Return rows whose most probable class is 0, with these probabilities."""
    return np.array([[p, 1 - p] for p in confidences])


def test_one_bin_is_the_gap_between_its_confidence_and_its_accuracy() -> None:
    # Three of four are right at 0.95.
    assert expected_calibration_error(np.array([0, 0, 0, 1]), binary([0.95] * 4)) == pytest.approx(0.2)


def test_bins_weigh_by_their_videos() -> None:
    # 0.6 lies in (8/15, 9/15], one of two right; 0.9 in (13/15, 14/15], two of two right.
    labels = np.array([0, 1, 0, 0])
    error = expected_calibration_error(labels, binary([0.6, 0.6, 0.9, 0.9]))
    assert error == pytest.approx(2 / 4 * 0.1 + 2 / 4 * 0.1)


def test_what_is_too_sure_and_what_is_too_unsure_do_not_cancel_across_bins_and_do_within_one() -> None:
    labels, probabilities = np.array([1, 0]), binary([0.51, 0.99])
    assert expected_calibration_error(labels, probabilities, num_bins=15) == pytest.approx((0.51 + 0.01) / 2)
    assert expected_calibration_error(labels, probabilities, num_bins=1) == pytest.approx(0.25)


@pytest.mark.parametrize("num_right", [0, 1, 4])
def test_a_bin_holds_its_upper_edge(num_right: int) -> None:
    # At exactly 0.8, 12/15, and a little above: two bins, so the gaps do not cancel.
    labels = np.array([0] * num_right + [1] * (4 - num_right) + [0] * 4)
    error = expected_calibration_error(labels, binary([0.8] * 4 + [0.81] * 4))
    assert error == pytest.approx((abs(num_right / 4 - 0.8) + abs(1 - 0.81)) / 2)


def test_certain_and_right_is_no_error_and_certain_and_wrong_is_all() -> None:
    certain = np.eye(3, dtype=np.float32)
    assert expected_calibration_error(np.array([0, 1, 2]), certain) == 0
    assert expected_calibration_error(np.array([1, 2, 0]), certain) == 1


def test_probabilities_that_labels_are_drawn_from_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 20_000)
    labels = (rng.random((20_000, 1)) < probabilities.cumsum(1)).argmax(1)
    assert expected_calibration_error(labels, probabilities) < 0.015
    sharper = probabilities**3 / (probabilities**3).sum(1, keepdims=True)
    assert expected_calibration_error(labels, sharper) > 0.1
