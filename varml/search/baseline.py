"""The search's baseline: logistic regression on mean features, validated on the folds of the trials."""

from __future__ import annotations

from dataclasses import dataclass

from varml.config.params import Params
from varml.search.objective import Objective, score_predictions
from varml.training.baseline import validate_baseline


@dataclass(frozen=True)
class Baseline:
    """What it reached: the mean over folds of the metric that is searched for, and of top-1."""

    backbone: str
    score: float
    top1: float


def baseline_of(params: Params, objective: Objective) -> Baseline:
    """Return the baseline on the backbone that params.yaml names."""
    backbone = params.model.backbone
    data, folds = objective.load(backbone), objective.folds
    said = validate_baseline(data if params.train.mirror else data.unmirrored, folds)
    score, top1 = score_predictions(params.search.metric, data.labels, said, folds)
    return Baseline(backbone, score, top1)
