"""Classes of unequal size: weights and a sampler do what they say, and a rare class gains by both."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from varml.config.params import Model, Train
from varml.metrics.classification import classification_metrics
from varml.training.balance import class_weights, epoch_orders, loss_weights
from varml.training.loop import EpochMetrics, fit, predict
from varml.training.losses import weighted_loss

RARE = 2
SKEWED = np.repeat([0, 1, RARE], [60, 60, 6])
BALANCES = ["weights", "sampler"]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_weights_have_mean_one_and_each_class_the_same_sum(labels: list[int]):
    videos = torch.tensor(labels)
    weights = class_weights(videos, 6)[videos].double().numpy()
    assert weights.mean() == pytest.approx(1)
    sums = [weights[np.asarray(labels) == label].sum() for label in set(labels)]
    assert sums == pytest.approx([len(labels) / len(sums)] * len(sums), rel=1e-5)


def test_the_formula():
    assert class_weights(torch.tensor([1, 1, 1, 2]), 4).tolist() == pytest.approx([1, 4 / 6, 2, 1])


def test_only_weights_weigh():
    labels = torch.from_numpy(SKEWED)
    assert loss_weights(labels, 3, "none") is None
    assert loss_weights(labels, 3, "sampler") is None
    assert torch.equal(loss_weights(labels, 3, "weights"), class_weights(labels, 3))


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_each_share_of_a_label_has_the_weight_of_its_class(label_smoothing: float):
    logits, weights = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0.5, 2.0, 1.0])
    of_class = [weighted_loss(logits, torch.full((2,), k), None, label_smoothing) for k in range(3)]
    mixed = torch.tensor([[0.75, 0.25, 0.0]] * 2)
    expected = 0.75 * 0.5 * of_class[0] + 0.25 * 2 * of_class[1]
    assert weighted_loss(logits, mixed, weights, label_smoothing).item() == pytest.approx(expected.item(), rel=1e-5)
    hard = weighted_loss(logits, torch.full((2,), 1), weights, label_smoothing)
    assert hard.item() == pytest.approx(2 * of_class[1].item(), rel=1e-5)


def test_the_sampler_draws_each_class_as_often():
    labels = torch.from_numpy(SKEWED)
    drawn = labels[torch.cat(list(islice(epoch_orders(labels, "sampler", 0), 50)))]
    assert len(drawn) == 50 * len(labels)
    assert (drawn.bincount() / len(drawn)).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)


@pytest.mark.parametrize("balance", ["none", "weights"])
def test_without_the_sampler_each_video_comes_once_an_epoch(balance: Any):
    for order in islice(epoch_orders(torch.zeros(20), balance, 0), 3):
        assert sorted(order.tolist()) == list(range(20))


def test_epochs_of_the_sampler_differ_and_follow_from_the_seed():
    labels = torch.from_numpy(SKEWED)
    first, second = islice(epoch_orders(labels, "sampler", 5), 2)
    torch.manual_seed(99)
    again = list(islice(epoch_orders(labels, "sampler", 5), 2))
    assert not torch.equal(first, second)
    assert torch.equal(first, again[0])
    assert torch.equal(second, again[1])
    assert not torch.equal(first, next(epoch_orders(labels, "sampler", 6)))


@pytest.mark.parametrize("balance", BALANCES)
def test_equal_seeds_give_equal_weights(make_features: Any, model: Model, train: Train, balance: str):
    data, chosen = make_features(labels=SKEWED), train.model_copy(update={"balance": balance})
    one, same, other = (predict(fit(data, model, chosen, seed=seed), data) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_on_classes_of_one_size_weights_are_none(make_features: Any, model: Model, train: Train):
    data = make_features(num_videos=24)
    losses: dict[str, list[EpochMetrics]] = {"none": [], "weights": []}
    scores = {}
    for balance, seen in losses.items():
        chosen = train.model_copy(update={"balance": balance})
        recognizer = fit(data, model, chosen, seed=0, on_epoch=lambda _, metrics, seen=seen: seen.append(metrics))
        scores[balance] = predict(recognizer, data)
    assert scores["weights"] == pytest.approx(scores["none"], abs=1e-5)
    assert [m["train_loss"] for m in losses["weights"]] == pytest.approx([m["train_loss"] for m in losses["none"]])


def test_on_skewed_classes_they_are_not(make_features: Any, model: Model, train: Train):
    data = make_features(labels=SKEWED)
    scores = [
        predict(fit(data, model, train.model_copy(update={"balance": b}), seed=0), data) for b in ("none", "weights")
    ]
    assert np.abs(scores[0] - scores[1]).max() > 1e-3


@pytest.mark.parametrize("batch_size", [4, 12])
def test_weights_act_in_small_and_large_batches(make_features: Any, model: Model, train: Train, batch_size: int):
    data = make_features(labels=SKEWED)
    rare = data.labels == RARE
    means = []
    for balance in ("none", "weights"):
        chosen = train.model_copy(update={"balance": balance, "batch_size": batch_size})
        means.append(predict(fit(data, model, chosen, seed=0), data)[rare, RARE].mean())
    assert means[1] > means[0]


@pytest.mark.parametrize("balance", BALANCES)
def test_a_rare_class_gains(make_features: Any, model: Model, train: Train, balance: str):
    data, unseen = make_features(labels=SKEWED), make_features(labels=np.repeat([0, 1, RARE], 40), seed=1)
    recalls, macro_f1 = {}, {}
    for name in ("none", balance):
        chosen = train.model_copy(update={"balance": name, "num_epochs": 15, "lr": 3e-3})
        scores = predict(fit(data, model, chosen, seed=0), unseen)
        recalls[name] = (scores.argmax(1) == RARE)[unseen.labels == RARE].mean()
        macro_f1[name] = classification_metrics(unseen.labels, scores)["macro_f1"]
    assert recalls[balance] > recalls["none"] + 0.2
    assert macro_f1[balance] > macro_f1["none"] + 0.05
