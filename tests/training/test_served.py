"""What is served follows from the out-of-fold predictions: members, temperature and threshold."""

from __future__ import annotations

import numpy as np
import pytest

from varml.config.params import Ensemble, Train
from varml.metrics.calibration import expected_calibration_error
from varml.training.calibration import calibrate, fit_temperature
from varml.training.ensemble import weighted_mean
from varml.training.out_of_fold import NO_FOLD, OutOfFold
from varml.training.served import choose_served

NUM_VIDEOS = 24


@pytest.fixture
def oof() -> OutOfFold:
    """Three recognisers that err on different thirds of the videos, and are more or less sure."""
    labels, number = np.arange(NUM_VIDEOS) % 2, np.arange(NUM_VIDEOS)
    true = np.stack([np.where(number % 3 != part, 0.7 + number / 100, 0.3) for part in range(3)])
    probabilities = np.where(np.arange(2) == labels[:, None], true[..., None], 1 - true[..., None])
    ids = [f"video{n}" for n in number]
    return OutOfFold(ids, labels, number // 2 % 4, probabilities.astype(np.float32))


def with_(train: Train, max_members: int = 1, min_precision: float | None = None) -> Train:
    return train.model_copy(update={"ensemble": Ensemble(max_members=max_members), "min_precision": min_precision})


def test_one_member_is_the_best_trial_at_its_own_temperature(oof: OutOfFold, train: Train) -> None:
    served = choose_served(oof, "top1", with_(train))
    assert served.weights == {0: 1.0}
    assert served.temperature == fit_temperature(oof.labels, oof.probabilities[0])
    assert served.unknown_below is None
    assert served.figures["single_top1"] == pytest.approx(2 / 3)
    assert "ensemble_top1" not in served.figures
    assert served.figures["coverage"] == 1


def test_the_temperature_and_the_error_are_those_of_what_is_served(oof: OutOfFold, train: Train) -> None:
    served = choose_served(oof, "top1", with_(train, max_members=3))
    mean = weighted_mean(oof.probabilities, served.weights)
    assert len(served.weights) == served.figures["num_members"] == 3
    assert served.figures["ensemble_top1"] == 1
    assert served.temperature == fit_temperature(oof.labels, mean)
    assert served.figures["ece"] == expected_calibration_error(oof.labels, mean)
    assert served.figures["ece_calibrated"] < served.figures["ece"]


@pytest.mark.parametrize("min_precision", [0.7, 0.9, 1.0])
def test_as_many_are_answered_as_the_precision_allows(oof: OutOfFold, train: Train, min_precision: float) -> None:
    served = choose_served(oof, "top1", with_(train, min_precision=min_precision))
    assert served.unknown_below is not None
    calibrated = calibrate(oof.probabilities[0], served.temperature)
    answered = calibrated.max(1) >= served.unknown_below
    right = calibrated.argmax(1) == oof.labels
    assert 0 < answered.sum() < NUM_VIDEOS
    assert served.figures["selective_top1"] == pytest.approx(right[answered].mean())
    assert served.figures["selective_top1"] >= min_precision
    assert served.figures["coverage"] == answered.mean()
    lower = np.sort(calibrated.max(1)[~answered])[-1]
    assert right[calibrated.max(1) >= lower].mean() < min_precision


def test_videos_that_nothing_validated_have_no_part(oof: OutOfFold, train: Train) -> None:
    more = OutOfFold(
        [*oof.video_ids, "another"],
        np.append(oof.labels, 1),
        np.append(oof.folds, NO_FOLD),
        np.concatenate([oof.probabilities, np.full((3, 1, 2), np.nan, np.float32)], axis=1),
    )
    chosen = with_(train, max_members=3, min_precision=0.9)
    assert choose_served(more, "top1", chosen) == choose_served(oof, "top1", chosen)
