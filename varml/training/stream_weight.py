"""The weight of late fusion: how much the scores of RGB count beside those of flow, fitted on out-of-fold scores.

It acts on fusions that have a buffer ``rgb_weight``, the weight of RGB's probabilities (flow's is 1 less that), and
that tell with ``stream_scores`` what each stream says alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from varml.config.views import View
from varml.data.dataset import FeatureSet, mean_of_views
from varml.data.splits import Positions
from varml.ground.threads import one_thread
from varml.metrics.classification import Labels, cross_entropy
from varml.models.recognizer import Recognizer
from varml.training.batches import chosen_features, stream_tensors
from varml.training.loop import PREDICTION_BATCH, Probabilities

StreamProbabilities = dict[str, Probabilities]  # rgb and flow to (N, K)
WEIGHT = "rgb_weight"
NUM_DIGITS = 4


def fit_rgb_weight(labels: Labels, streams: Mapping[str, Probabilities]) -> float:
    """Return the weight of RGB, 0 to 1, with which the mixed probabilities (N, K) of both streams lose least."""

    def loss(weight: float) -> float:
        return cross_entropy(labels, mix_streams(streams, weight))

    # The loss is convex in the weight, so what lies inside is its lowest point; the search never tries the ends.
    inside = minimize_scalar(loss, bounds=(0, 1), method="bounded").x
    tried: list[float] = [0.0, 1.0, float(inside)]
    best: float = min(tried, key=loss)
    return round(best, NUM_DIGITS)


def mix_streams(streams: Mapping[str, Probabilities], rgb_weight: float) -> Probabilities:
    """Return the weighted mean (N, K) of the probabilities of both streams."""
    mixed = rgb_weight * streams["rgb"].astype(np.float64) + (1 - rgb_weight) * streams["flow"]
    return np.asarray(mixed.astype(np.float32))


def cross_mixed(labels: Labels, streams: Mapping[str, Probabilities], folds: list[Positions]) -> Probabilities:
    """Return the mixed probabilities (N, K), those of each fold with the weight that is fitted on the other folds.

    At least two ``folds``; videos that none of them holds are NaN.
    """
    mixed = np.full_like(streams["rgb"], np.nan)
    for fold in folds:
        others = np.concatenate([other for other in folds if other is not fold])
        weight = fit_rgb_weight(labels[others], _at(streams, others))
        mixed[fold] = mix_streams(_at(streams, fold), weight)
    return mixed


def predict_streams(recognizer: Recognizer, features: FeatureSet) -> StreamProbabilities | None:
    """Return what each stream alone says of each video, or None where the fusion has no weight to fit."""
    if WEIGHT not in dict(recognizer.fusion.named_buffers(recurse=False)):
        return None
    views = {view: _predict_view(recognizer, features, view) for view in features.features}
    return {
        stream: mean_of_views({view: said[stream] for view, said in views.items()}, features.mirror)
        for stream in recognizer.streams
    }


def _predict_view(recognizer: Recognizer, features: FeatureSet, view: View) -> StreamProbabilities:
    recognizer.eval()
    inputs = stream_tensors(features, view, recognizer.streams)
    with one_thread(), torch.inference_mode():
        parts = [
            recognizer.stream_scores(chosen_features(inputs, chosen))
            for chosen in torch.arange(len(features)).split(PREDICTION_BATCH)
        ]
    return {stream: torch.cat([part[stream] for part in parts]).exp().numpy() for stream in recognizer.streams}


def set_fitted(recognizer: Recognizer, fitted: Mapping[str, float]) -> None:
    """Give the fusion's buffers the values that were fitted out of fold, by name."""
    for name, value in fitted.items():
        recognizer.fusion.get_buffer(name).fill_(value)


def _at(streams: Mapping[str, Probabilities], positions: Positions) -> StreamProbabilities:
    return {stream: probabilities[positions] for stream, probabilities in streams.items()}
