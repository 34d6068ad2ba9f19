"""One training: the same bytes from the same arguments whatever surrounds it, and a clear end where it diverges."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import numpy as np
import pytest
import torch

from varml.config.params import Model, Train
from varml.config.views import PLAIN
from varml.data.dataset import FeatureSet
from varml.errors import TrainingError
from varml.metrics.classification import accuracy, macro_f1
from varml.models.recognizer import Recognizer
from varml.training.loop import EpochMetrics, fit, predict


@pytest.fixture
def data(make_features: Any) -> FeatureSet:
    return make_features()


def same(one: Recognizer, other: Recognizer) -> bool:
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(states[0][key], states[1][key]) for key in states[0] | states[1])


# Determinism.


def test_equal_seeds_give_equal_weights_and_another_seed_others(data: FeatureSet, model: Model, train: Train) -> None:
    first = fit(data, model, train, seed=3)
    assert same(first, fit(data, model, train, seed=3))
    assert not same(first, fit(data, model, train, seed=4))


def test_weights_do_not_depend_on_the_state_of_the_process(data: FeatureSet, model: Model, train: Train) -> None:
    first = fit(data, model, train, seed=3)
    torch.manual_seed(99)
    np.random.seed(99)
    torch.set_num_threads(2)
    try:
        assert same(first, fit(data, model, train, seed=3))
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("fails", [False, True])
def test_the_state_of_the_process_is_left_as_it_was(data: FeatureSet, model: Model, train: Train, fails: bool) -> None:
    torch.manual_seed(7)
    torch.set_num_threads(2)
    before = torch.get_rng_state()
    try:
        if fails:
            with pytest.raises(TrainingError):
                fit(with_value(data, np.nan), model, train, seed=3)
        else:
            fit(data, model, train, seed=3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


def test_looking_at_validation_changes_nothing(
    data: FeatureSet, make_features: Any, model: Model, train: Train
) -> None:
    alone = fit(data, model, train, seed=3)
    assert same(alone, fit(data, model, train, seed=3, validation=make_features(seed=1)))


@pytest.mark.parametrize("fusion", ["rgb", "flow", "late", "cross_attention"])
def test_every_fusion_trains_the_same_twice(data: FeatureSet, model: Model, train: Train, fusion: str) -> None:
    chosen = model.model_copy(update={"fusion": fusion})
    assert same(fit(data, chosen, train, seed=0), fit(data, chosen, train, seed=0))


# Learning.


def test_separable_classes_are_learned_and_the_loss_falls(make_features: Any, model: Model, train: Train) -> None:
    longer = train.model_copy(update={"num_epochs": 30, "lr": 1e-2})
    losses: list[float] = []
    training, unseen = make_features(signal=4), make_features(signal=4, seed=1)
    recognizer = fit(training, model, longer, seed=0, on_epoch=lambda _, metrics: losses.append(metrics["train_loss"]))
    assert losses[0] == pytest.approx(log(3), rel=0.5)
    assert losses[-1] < losses[0] / 2
    assert accuracy(unseen.labels, predict(recognizer, unseen)) > 0.85


def test_features_are_standardised_by_those_of_training(data: FeatureSet, model: Model, train: Train) -> None:
    recognizer = fit(data, model, train, seed=0)
    flat = data.features[PLAIN]["flow"].astype(np.float32).reshape(-1, data.dim)
    assert recognizer.encoders["flow"].mean.numpy() == pytest.approx(flat.mean(0), abs=1e-5)
    assert recognizer.encoders["flow"].std.numpy() == pytest.approx(flat.std(0), rel=1e-4)


def test_a_number_of_videos_that_the_batch_does_not_divide_is_trained(
    make_features: Any, model: Model, train: Train
) -> None:
    fit(make_features(num_videos=13), model, train, seed=0)  # 12 and 1


@pytest.mark.parametrize("num_epochs", range(1, 13))
def test_any_number_of_steps_has_a_schedule(make_features: Any, model: Model, train: Train, num_epochs: int) -> None:
    fit(make_features(num_videos=6), model, train.model_copy(update={"num_epochs": num_epochs}), seed=0)


# What is reported.


def test_each_epoch_is_reported_with_its_metrics(
    data: FeatureSet, make_features: Any, model: Model, train: Train
) -> None:
    reported: list[tuple[int, EpochMetrics]] = []
    validation = make_features(seed=1)
    recognizer = fit(data, model, train, seed=0, validation=validation, on_epoch=lambda *args: reported.append(args))
    assert [epoch for epoch, _ in reported] == [0, 1, 2]
    assert all(set(metrics) == {"train_loss", "val_loss", "val_top1"} for _, metrics in reported)
    probabilities = predict(recognizer, validation)
    true = probabilities[np.arange(len(validation)), validation.labels]
    assert reported[-1][1]["val_top1"] == pytest.approx((probabilities.argmax(1) == validation.labels).mean())
    assert reported[-1][1]["val_loss"] == pytest.approx(-np.log(true).mean(), rel=1e-5)


def test_another_metric_is_told_beside_top1(data: FeatureSet, model: Model, train: Train, make_features: Any) -> None:
    reported: list[EpochMetrics] = []
    validation = make_features(seed=1)
    recognizer = fit(
        data, model, train, seed=0, validation=validation, metric="macro_f1", on_epoch=lambda _, m: reported.append(m)
    )
    assert all(set(metrics) == {"train_loss", "val_loss", "val_top1", "val_macro_f1"} for metrics in reported)
    assert reported[-1]["val_macro_f1"] == macro_f1(validation.labels, predict(recognizer, validation))


def test_without_validation_only_the_training_loss_is_reported(data: FeatureSet, model: Model, train: Train) -> None:
    reported: list[EpochMetrics] = []
    fit(data, model, train, seed=0, on_epoch=lambda _, metrics: reported.append(metrics))
    assert [set(metrics) for metrics in reported] == [{"train_loss"}] * 3


# Divergence.


def with_value(data: FeatureSet, value: float) -> FeatureSet:
    features = {stream: array.copy() for stream, array in data.features[PLAIN].items()}
    features["rgb"][3, 0, 0, 0] = value
    return replace(data, features={PLAIN: features})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_no_number_names_its_step_and_the_learning_rate(
    data: FeatureSet, model: Model, train: Train, value: float
) -> None:
    epochs: list[int] = []
    with pytest.raises(TrainingError, match=r"loss is nan in step 0 of epoch 0 at lr 0\.0005"):
        fit(with_value(data, value), model, train, seed=0, on_epoch=lambda epoch, _: epochs.append(epoch))
    assert epochs == []


def test_an_absurd_learning_rate_gives_numbers_or_a_search_error(data: FeatureSet, model: Model, train: Train) -> None:
    absurd = train.model_copy(update={"lr": 1.0, "num_epochs": 20})
    try:
        probabilities = predict(fit(data, model, absurd, seed=0), data)
    except TrainingError:
        return
    assert probabilities.sum(1) == pytest.approx(np.ones(len(data)), abs=1e-5)


# Prediction.


def test_probabilities_have_a_row_per_video_that_sums_to_one(data: FeatureSet, model: Model, train: Train) -> None:
    probabilities = predict(fit(data, model, train, seed=0), data)
    assert probabilities.shape == (24, 3)
    assert probabilities.dtype == np.float32
    assert probabilities.sum(1) == pytest.approx(np.ones(24), abs=1e-6)


def test_more_videos_than_a_batch_are_predicted_in_their_order(make_features: Any, model: Model, train: Train) -> None:
    many = make_features(num_videos=300)
    recognizer = fit(many, model, train.model_copy(update={"num_epochs": 1}), seed=0)
    whole = predict(recognizer, many)
    for position in (0, 255, 256, 299):
        assert whole[position] == pytest.approx(predict(recognizer, many.subset([position]))[0], abs=1e-6)
    assert not np.allclose(whole[0], whole[256])
