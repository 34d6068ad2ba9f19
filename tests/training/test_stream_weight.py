"""The weight of late fusion on streams whose best mixture is known, and on a fusion that can tell its streams apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from varml.config.params import Model, Train
from varml.data.dataset import FeatureSet
from varml.metrics.classification import cross_entropy
from varml.models.fusion import fusions
from varml.training.cross_validation import cross_validate
from varml.training.loop import fit, predict
from varml.training.stream_weight import cross_mixed, fit_rgb_weight, mix_streams, predict_streams, set_fitted


def binary(true: list[float]) -> np.ndarray:
    """Return probabilities (N, 2) whose first class, the true one of every video, has these."""
    return np.array([[p, 1 - p] for p in true], dtype=np.float32)


def test_the_mixture_is_the_weighted_mean() -> None:
    mixed = mix_streams({"rgb": binary([0.9, 0.2]), "flow": binary([0.5, 0.6])}, 0.25)
    assert mixed == pytest.approx(binary([0.6, 0.5]))


def test_a_stream_that_is_better_everywhere_gets_all() -> None:
    labels, good, bad = np.zeros(3, dtype=np.int64), binary([0.9, 0.8, 0.7]), binary([0.4, 0.3, 0.6])
    assert fit_rgb_weight(labels, {"rgb": good, "flow": bad}) == 1
    assert fit_rgb_weight(labels, {"rgb": bad, "flow": good}) == 0


def test_streams_that_err_alike_on_different_videos_share() -> None:
    streams = {"rgb": binary([0.8, 0.2]), "flow": binary([0.2, 0.8])}
    assert fit_rgb_weight(np.zeros(2, dtype=np.int64), streams) == pytest.approx(0.5, abs=1e-3)


def test_the_weight_by_hand() -> None:
    # -log(0.1 + 0.8 w) 2 - log(0.9 - 0.8 w) is least where 1.6 / (0.1 + 0.8 w) = 0.8 / (0.9 - 0.8 w): w = 1.7 / 2.4.
    streams = {"rgb": binary([0.9, 0.9, 0.1]), "flow": binary([0.1, 0.1, 0.9])}
    assert fit_rgb_weight(np.zeros(3, dtype=np.int64), streams) == pytest.approx(1.7 / 2.4, abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_weight_on_a_grid_loses_less_and_streams_may_change_places(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=15)
    one, other = rng.dirichlet(np.ones(3), (2, 15)).astype(np.float32)
    weight = fit_rgb_weight(labels, {"rgb": one, "flow": other})
    losses = [cross_entropy(labels, mix_streams({"rgb": one, "flow": other}, w)) for w in np.linspace(0, 1, 21)]
    assert cross_entropy(labels, mix_streams({"rgb": one, "flow": other}, weight)) <= min(losses) + 1e-5
    assert fit_rgb_weight(labels, {"rgb": other, "flow": one}) == pytest.approx(1 - weight, abs=0.02)


def test_a_fold_has_no_part_in_its_own_weight() -> None:
    labels = np.zeros(6, dtype=np.int64)
    # On the first fold RGB is right, on the second flow.
    streams = {"rgb": binary([0.9] * 3 + [0.1] * 3), "flow": binary([0.1] * 3 + [0.9] * 3)}
    mixed = cross_mixed(labels, streams, [np.arange(3), np.arange(3, 6)])
    assert mixed == pytest.approx(binary([0.1] * 6))


def test_videos_of_no_fold_stay_empty() -> None:
    streams = {"rgb": binary([0.9] * 5), "flow": binary([0.8] * 5)}
    mixed = cross_mixed(np.zeros(5, dtype=np.int64), streams, [np.array([0, 1]), np.array([3, 4])])
    assert np.isnan(mixed[2]).all()
    assert np.isfinite(np.delete(mixed, 2, axis=0)).all()


# On a recogniser.


@pytest.fixture
def late(model: Model) -> Model:
    return model.model_copy(update={"fusion": "late"})


@pytest.fixture
def data(make_features: Any) -> FeatureSet:
    return make_features()


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_mixed_streams_are_what_the_recogniser_says(
    data: FeatureSet, late: Model, train: Train, weight: float
) -> None:
    recognizer = fit(data, late, train, seed=0)
    set_fitted(recognizer, {"rgb_weight": weight})
    streams = predict_streams(recognizer, data)
    assert streams is not None
    assert mix_streams(streams, weight) == pytest.approx(predict(recognizer, data), abs=1e-6)
    assert not np.allclose(streams["rgb"], streams["flow"])


def test_fitting_changes_the_weight_and_nothing_else(data: FeatureSet, late: Model, train: Train) -> None:
    one, other = (fit(data, late, train, seed=0) for _ in range(2))
    set_fitted(other, {"rgb_weight": 0.75})
    changed = {k for k, tensor in one.state_dict().items() if not torch.equal(tensor, other.state_dict()[k])}
    assert changed == {"fusion.rgb_weight"}
    assert other.fusion.rgb_weight == 0.75


@pytest.mark.parametrize("name", [name for name in fusions.names() if name != "late"])
def test_other_fusions_have_no_weight_to_fit(data: FeatureSet, model: Model, train: Train, name: str) -> None:
    recognizer = fit(data, model.model_copy(update={"fusion": name}), train, seed=0)
    assert predict_streams(recognizer, data) is None


def test_cross_validation_keeps_what_each_stream_says(data: FeatureSet, late: Model, train: Train) -> None:
    for fold in cross_validate(data, [np.arange(12), np.arange(12, 24)], late, train, seed=0):
        assert fold.streams is not None
        assert mix_streams(fold.streams, 0.5) == pytest.approx(fold.probabilities, abs=1e-6)


def test_a_certain_mistake_is_given_no_weight() -> None:
    streams = {"rgb": binary([0.0, 0.0]), "flow": binary([0.6, 0.0])}
    assert fit_rgb_weight(np.zeros(2, dtype=np.int64), streams) == 0
