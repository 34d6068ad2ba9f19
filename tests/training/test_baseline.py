"""The baseline: logistic regression on mean features."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from varml.config.views import PLAIN
from varml.metrics.classification import accuracy
from varml.training.baseline import fit_baseline, predict_baseline


def test_separable_classes_are_recognised_among_unseen_videos(make_features: Any) -> None:
    unseen = make_features(signal=6, seed=1)
    probabilities = predict_baseline(fit_baseline(make_features(signal=6)), unseen)
    assert probabilities.shape == (24, 3)
    assert probabilities.dtype == np.float32
    assert probabilities.sum(1) == pytest.approx(np.ones(24), abs=1e-6)
    assert accuracy(unseen.labels, probabilities) > 0.85


def test_without_signal_it_guesses(make_features: Any) -> None:
    unseen = make_features(num_videos=90, signal=0, seed=1)
    probabilities = predict_baseline(fit_baseline(make_features(num_videos=90, signal=0)), unseen)
    assert accuracy(unseen.labels, probabilities) < 0.5


def test_a_class_that_training_never_showed_has_probability_zero(make_features: Any) -> None:
    data = make_features()
    probabilities = predict_baseline(fit_baseline(data.subset(np.flatnonzero(data.labels != 1))), data)
    assert (probabilities[:, 1] == 0).all()
    assert (probabilities[:, [0, 2]] > 0).all()


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_both_streams_are_read_as_their_mean_over_time_and_grid(make_features: Any, stream: str) -> None:
    data = make_features()
    baseline = fit_baseline(data)
    expected = predict_baseline(baseline, data)
    seen = data.features[PLAIN]
    shuffled = {**seen, stream: seen[stream][:, ::-1, ::-1]}
    assert predict_baseline(baseline, replace(data, features={PLAIN: shuffled})) == pytest.approx(expected, abs=1e-4)
    moved = {**seen, stream: seen[stream] + 1}
    assert predict_baseline(baseline, replace(data, features={PLAIN: moved})) != pytest.approx(expected, abs=1e-2)
