"""One trial: cross-validation on cached features, from params values to a figure and out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import optuna
from sklearn.utils import compute_sample_weight

from varml.config.params import Params
from varml.config.space import apply_values
from varml.data.dataset import FeatureSet
from varml.data.splits import Positions
from varml.metrics.classification import METRICS, accuracy, cross_entropy, mean_score
from varml.search.latency import latency_ms
from varml.search.pruners import Credits, Pruner, pruner_of
from varml.training.cross_validation import FoldResult, cross_validate
from varml.training.loop import EpochMetrics, OnEpoch, Probabilities
from varml.training.stream_weight import WEIGHT, StreamProbabilities, cross_mixed, fit_rgb_weight

LoadFeatures = Callable[[str], FeatureSet]
LoadFoldFeatures = Callable[[str, int], FeatureSet]


@dataclass
class TrialResult:
    """What a trial gave; ``oof`` is (N, K) with NaN rows for videos that no finished fold validated.

    ``streams`` holds the same by each stream alone where the fusion can tell them, and ``fitted`` what was fitted on
    them, by the name of the fusion's buffer that gets it.
    """

    values: dict[str, Any]
    oof: Probabilities
    streams: StreamProbabilities = field(default_factory=dict)
    fitted: dict[str, float] = field(default_factory=dict)
    fold_scores: list[float] = field(default_factory=list)
    fold_losses: list[float] = field(default_factory=list)
    fold_epochs: list[list[EpochMetrics]] = field(default_factory=list)
    latency_ms: float | None = None  # of its model, where that is weighed too
    pruned: bool = False

    @property
    def outcome(self) -> list[float]:
        """What the study is told, an objective each."""
        return [self.score] if self.latency_ms is None else [self.score, self.latency_ms]

    @property
    def score(self) -> float:
        """The mean over folds of the metric that is searched for."""
        return mean_score(self.fold_scores)

    @property
    def loss(self) -> float:
        """The mean over folds of the validation cross-entropy; it ranks trials of equal score.

        Of a trial that was stopped in its first fold, what it had come to there.
        """
        return float(np.mean(self.fold_losses or [self.fold_epochs[0][-1]["val_loss"]]))


@dataclass(frozen=True)
class Objective:
    """The function that the study maximises, and the latency that it minimises beside it where that is asked for.

    ``load`` gives the frozen features of a backbone, ``load_fold`` what trials see of it in a fold where that differs:
    features that are adapted to the training part of the fold. ``num_workers`` processes train folds at the same time.
    """

    params: Params
    load: LoadFeatures
    folds: list[Positions]
    load_fold: LoadFoldFeatures | None = None
    num_workers: int = 1

    def __call__(self, trial: optuna.Trial, values: dict[str, Any]) -> TrialResult:
        """Return the result of one trial with ``values``; a pruned one holds the folds until then."""
        params = apply_values(self.params, values)
        data = self.load(params.model.backbone)
        result = TrialResult(values, np.full((len(data), len(data.classes)), np.nan, dtype=np.float32))
        try:
            self._validate(trial, result, data, params)
        except optuna.TrialPruned:
            result.pruned = True
            return result
        if result.streams and len(self.folds) > 1:
            self._fit_weight(result, data)
        if params.search.weighs_latency:
            result.latency_ms = latency_ms(params, data)
        return result

    def _validate(self, trial: optuna.Trial, result: TrialResult, data: FeatureSet, params: Params) -> None:
        """Train and validate each fold; raises TrialPruned where the trial is to stop."""
        pruner = pruner_of(self.params)
        seen = data if self.load_fold is None else partial(self.load_fold, params.model.backbone)
        epochs: dict[str, Any] = {}
        if pruner.watches_epochs:
            epochs = {"on_epoch": self._watch(trial, result), "metric": self.params.search.metric}
        validated = cross_validate(
            seen, self.folds, params.model, params.train, self.params.seed, num_workers=self.num_workers, **epochs
        )
        for fold in validated:
            self._take(result, fold, data)
            # Optuna stops no trial of several objectives, and refuses to be asked.
            if not (pruner.watches_epochs or self.params.search.weighs_latency):
                self._report(trial, pruner, fold, data)

    def _watch(self, trial: optuna.Trial, result: TrialResult) -> OnEpoch:
        """Return what reports each epoch of the first fold, as one step; it raises TrialPruned to end the training."""
        epochs: list[EpochMetrics] = []

        def report(epoch: int, metrics: EpochMetrics) -> None:
            epochs.append(metrics)
            trial.report(metrics[f"val_{self.params.search.metric}"], epoch + 1)
            if trial.should_prune():
                result.fold_epochs.append(epochs)
                raise optuna.TrialPruned

        return report

    def _report(self, trial: optuna.Trial, pruner: Pruner, fold: FoldResult, data: FeatureSet) -> None:
        """Report a fold; raises TrialPruned where the trial is to stop before the next."""
        pruner.report_fold(trial, fold.index, self._credits(fold, data))
        if fold.index + 1 < len(self.folds) and trial.should_prune():
            raise optuna.TrialPruned

    def _credits(self, fold: FoldResult, data: FeatureSet) -> Credits:
        """Return what the pruner compares, per video of the fold: right or wrong; unless top-1 is searched for, each
        class counts alike, whose mean is the mean class accuracy.
        """
        correct = (fold.probabilities.argmax(1) == data.labels[fold.positions]).astype(np.float64)
        if self.params.search.metric == "top1":
            return correct
        return correct * compute_sample_weight("balanced", data.labels)[fold.positions]

    def _take(self, result: TrialResult, fold: FoldResult, data: FeatureSet) -> None:
        result.oof[fold.positions] = fold.probabilities
        for stream, probabilities in (fold.streams or {}).items():
            result.streams.setdefault(stream, np.full_like(result.oof, np.nan))[fold.positions] = probabilities
        self._score(result, fold.positions, data)
        result.fold_epochs.append(fold.epochs)

    def _score(self, result: TrialResult, fold: Positions, data: FeatureSet) -> None:
        labels, probabilities = data.labels[fold], result.oof[fold]
        result.fold_scores.append(METRICS[self.params.search.metric](labels, probabilities))
        result.fold_losses.append(cross_entropy(labels, probabilities))

    def _fit_weight(self, result: TrialResult, data: FeatureSet) -> None:
        """Score the trial anew with a weight of its streams: that of a fold is fitted on the other folds.

        Pruning has compared what the fusion says untouched, in this trial as in others: before the last fold has ended
        there is no weight for the first.
        """
        validated = np.concatenate(self.folds)
        fitted_on = {stream: probabilities[validated] for stream, probabilities in result.streams.items()}
        result.fitted[WEIGHT] = fit_rgb_weight(data.labels[validated], fitted_on)
        result.oof = cross_mixed(data.labels, result.streams, self.folds)
        result.fold_scores.clear()
        result.fold_losses.clear()
        for fold in self.folds:
            self._score(result, fold, data)


def score_predictions(
    metric: str, labels: np.ndarray, probabilities: Probabilities, folds: list[Positions]
) -> tuple[float, float]:
    """Return the mean over folds of ``metric`` and of top-1 for predictions (N, K) made elsewhere."""
    scores = [METRICS[metric](labels[fold], probabilities[fold]) for fold in folds]
    top1 = [accuracy(labels[fold], probabilities[fold]) for fold in folds]
    return mean_score(scores), mean_score(top1)
