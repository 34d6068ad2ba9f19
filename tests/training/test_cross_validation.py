"""Out-of-fold predictions: nothing of a fold reaches the recogniser that predicts it."""

from __future__ import annotations

import os
import signal
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from varml.config.params import Model, Train
from varml.config.views import PLAIN
from varml.data.dataset import FeatureSet
from varml.training.cross_validation import FoldResult, cross_validate
from varml.training.loop import fit, predict

FOLDS = [np.arange(0, 8), np.arange(8, 16), np.arange(16, 24)]


@pytest.fixture
def data(make_features: Any) -> FeatureSet:
    return make_features()


def results(data: FeatureSet, model: Model, train: Train, seed: int = 0) -> list[FoldResult]:
    return list(cross_validate(data, FOLDS, model, train, seed))


def test_each_fold_is_predicted_by_a_training_on_the_rest(data: FeatureSet, model: Model, train: Train) -> None:
    for index, result in enumerate(results(data, model, train, seed=5)):
        rest = np.setdiff1d(np.arange(24), FOLDS[index])
        recognizer = fit(data.subset(rest), model, train, seed=5 + index)
        assert result.index == index
        assert np.array_equal(result.positions, FOLDS[index])
        assert np.array_equal(result.probabilities, predict(recognizer, data.subset(FOLDS[index])))
        assert len(result.epochs) == train.num_epochs


def test_labels_of_a_fold_do_not_change_its_predictions(data: FeatureSet, model: Model, train: Train) -> None:
    labels = data.labels.copy()
    labels[FOLDS[1]] = (labels[FOLDS[1]] + 1) % 3
    before, after = results(data, model, train), results(replace(data, labels=labels), model, train)
    assert np.array_equal(after[1].probabilities, before[1].probabilities)
    # The other folds are trained on these labels.
    assert not np.array_equal(after[0].probabilities, before[0].probabilities)
    assert not np.array_equal(after[2].probabilities, before[2].probabilities)


def test_features_of_a_fold_do_not_change_the_predictions_of_its_others(
    data: FeatureSet, model: Model, train: Train
) -> None:
    # Such as by a standardisation over all videos.
    features = {stream: array.copy() for stream, array in data.features[PLAIN].items()}
    for array in features.values():
        array[8] += 50
    before, after = results(data, model, train), results(replace(data, features={PLAIN: features}), model, train)
    assert np.array_equal(after[1].probabilities[1:], before[1].probabilities[1:])
    assert not np.array_equal(after[1].probabilities[0], before[1].probabilities[0])


def test_the_caller_may_stop_between_folds(data: FeatureSet, model: Model, train: Train) -> None:
    first = next(cross_validate(data, FOLDS, model, train, seed=0))
    assert np.array_equal(first.probabilities, results(data, model, train)[0].probabilities)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_the_first_fold_is_told_epoch_by_epoch_and_changes_no_bit(
    data: FeatureSet, model: Model, train: Train, num_workers: int
) -> None:
    told: list[Any] = []
    watched = list(
        cross_validate(
            data,
            FOLDS,
            model,
            train,
            0,
            num_workers=num_workers,
            on_epoch=lambda *args: told.append((os.getpid(), *args)),
        )
    )
    for one, other in zip(watched, results(data, model, train), strict=True):
        assert (one.index, one.epochs) == (other.index, other.epochs)
        assert np.array_equal(one.positions, other.positions)
        assert np.array_equal(one.probabilities, other.probabilities)
    assert told == [(os.getpid(), epoch, metrics) for epoch, metrics in enumerate(watched[0].epochs)]


def test_what_is_raised_between_epochs_ends_the_training(data: FeatureSet, model: Model, train: Train) -> None:
    told: list[int] = []

    def stop(epoch: int, metrics: Any) -> None:
        told.append(epoch)
        if epoch == 1:
            raise InterruptedError

    assert train.num_epochs > 2
    with pytest.raises(InterruptedError):
        next(cross_validate(data, FOLDS, model, train, 0, on_epoch=stop))
    assert told == [0, 1]


def test_the_number_of_workers_changes_no_bit(
    make_features: Any, model: Model, train: Train, capfd: pytest.CaptureFixture[str]
) -> None:
    data = make_features(dim=3000)
    assert data.features[PLAIN]["rgb"].nbytes > 1_000_000, "so large that joblib would map it from a file"
    alone, together = (
        list(cross_validate(data, FOLDS, model, train, seed=0, num_workers=num_workers)) for num_workers in (1, 2)
    )
    for one, other in zip(alone, together, strict=True):
        assert (one.index, one.epochs) == (other.index, other.epochs)
        assert np.array_equal(one.probabilities, other.probabilities)
        assert np.array_equal(one.positions, other.positions)
    assert "Error" not in capfd.readouterr().err


class Deadly(FeatureSet):
    """Features that end the process that trains on them, as a crash in a library or a lack of memory does."""

    @classmethod
    def of(cls, data: FeatureSet) -> Deadly:
        return cls(**{field.name: getattr(data, field.name) for field in fields(data)})

    def subset(self, positions: Any) -> FeatureSet:
        return self.of(super().subset(positions))

    @property
    def dim(self) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_worker_that_dies_is_an_error_and_the_next_trial_has_new_ones(
    data: FeatureSet, model: Model, train: Train
) -> None:
    with pytest.raises(Exception, match=r"worker process .* unexpectedly terminated"):
        list(cross_validate(Deadly.of(data), FOLDS, model, train, seed=0, num_workers=2))
    after = list(cross_validate(data, FOLDS, model, train, seed=0, num_workers=2))
    assert np.array_equal(after[2].probabilities, results(data, model, train)[2].probabilities)


def test_one_fold_trains_on_everything_else(data: FeatureSet, model: Model, train: Train) -> None:
    (only,) = cross_validate(data, FOLDS[2:], model, train, seed=0)
    recognizer = fit(data.subset(np.arange(16)), model, train, seed=0)
    assert np.array_equal(only.probabilities, predict(recognizer, data.subset(FOLDS[2])))
