"""The search's baseline: logistic regression on mean features, validated on the folds of the trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from varml.config.params import Params
from varml.data.dataset import FeatureSet
from varml.data.splits import Positions
from varml.search.objective import Objective, score_predictions
from varml.training.baseline import fit_baseline, predict_baseline
from varml.training.loop import Probabilities


@dataclass(frozen=True)
class Baseline:
    """What it reached: the mean over folds of the metric that is searched for, and of top-1."""

    backbone: str
    score: float
    top1: float


def validate_baseline(params: Params, objective: Objective) -> Baseline:
    """Return the baseline on the backbone that params.yaml names."""
    backbone = params.model.backbone
    data, folds = objective.load(backbone).seen(params.train.mirror), objective.folds
    score, top1 = score_predictions(params.search.metric, data.labels, _out_of_fold(data, folds), folds)
    return Baseline(backbone, score, top1)


def _out_of_fold(data: FeatureSet, folds: list[Positions]) -> Probabilities:
    probabilities = np.full((len(data), len(data.classes)), np.nan, dtype=np.float32)
    for fold in folds:
        training = data.subset(np.setdiff1d(np.arange(len(data)), fold))
        probabilities[fold] = predict_baseline(fit_baseline(training), data.subset(fold))
    return probabilities
