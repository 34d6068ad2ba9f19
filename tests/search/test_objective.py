"""One trial on cached features: the figures of its folds, and what pruning leaves out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import pytest

from varml.config import Params
from varml.config.space import apply_values
from varml.data.dataset import FeatureSet
from varml.metrics.classification import METRICS, cross_entropy
from varml.search.objective import Objective, score_predictions
from varml.search.pruners import pruners
from varml.training.cross_validation import cross_validate
from varml.training.stream_weight import fit_rgb_weight, mix_streams


def study_of(name: str) -> optuna.Study:
    return optuna.create_study(direction="maximize", pruner=pruners[name]().make(4))


@pytest.mark.parametrize("metric", METRICS)
def test_score_and_loss_are_means_over_the_folds(
    params: Params, features: dict[str, FeatureSet], folds: list[np.ndarray], metric: str
) -> None:
    chosen = apply_values(params, {"search.objectives": [metric], "model.fusion": "flow"})
    result = Objective(chosen, features.__getitem__, folds)(study_of("wilcoxon").ask(), {})
    labels = features["small"].labels
    scores = [METRICS[metric](labels[fold], result.oof[fold]) for fold in folds]
    losses = [cross_entropy(labels[fold], result.oof[fold]) for fold in folds]
    assert result.fold_scores == pytest.approx(scores)
    assert result.score == pytest.approx(sum(scores) / 3)
    assert result.loss == pytest.approx(sum(losses) / 3)
    assert 0 < result.score < 1


@pytest.mark.parametrize(("metric", "expected"), [("top1", "top1"), ("macro_f1", "mean_class_accuracy")])
def test_the_pruner_is_told_what_each_video_adds_to_the_metric(
    params: Params, features: dict[str, FeatureSet], metric: str, expected: str
) -> None:
    data = features["small"]
    few = np.flatnonzero((data.labels == 0) | (np.arange(len(data)) % 3 == 0))
    data = data.subset(few)
    assert len(set(np.bincount(data.labels))) == 2, "classes differ in size"
    chosen = apply_values(params, {"search.objectives": [metric], "model.fusion": "flow"})
    study = study_of("wilcoxon")
    trial = study.ask()
    result = Objective(chosen, lambda _: data, [np.arange(len(data))[::2], np.arange(len(data))[1::2]])(trial, {})
    reported = list(study.trials[0].intermediate_values.values())
    assert len(reported) == len(data)
    assert np.mean(reported) == pytest.approx(METRICS[expected](data.labels, result.oof))


def test_out_of_fold_predictions_are_those_of_cross_validation(
    params: Params, features: dict[str, FeatureSet], folds: list[np.ndarray]
) -> None:
    values = {"model.backbone": "large", "train.lr": 2e-3}
    result = Objective(params, features.__getitem__, folds)(study_of("none").ask(), values)
    chosen = apply_values(params, values)
    assert result.values == values
    assert not result.pruned
    assert [len(epochs) for epochs in result.fold_epochs] == [params.train.num_epochs] * 3
    for fold in cross_validate(features["large"], folds, chosen.model, chosen.train, params.seed):
        assert np.array_equal(result.oof[fold.positions], fold.probabilities)


def test_a_fold_sees_the_features_that_are_adapted_to_it(
    params: Params, features: dict[str, FeatureSet], folds: list[np.ndarray]
) -> None:
    data = features["small"]
    # What is adapted to the last fold says nothing.
    blind = replace(data, features={v: {s: a * 0 for s, a in seen.items()} for v, seen in data.features.items()})
    asked: list[tuple[str, int]] = []

    def load_fold(backbone: str, fold: int) -> FeatureSet:
        asked.append((backbone, fold))
        return blind if fold == 2 else data

    frozen, adapted = (
        Objective(params, features.__getitem__, folds, load)(study_of("none").ask(), {}) for load in (None, load_fold)
    )
    assert asked == [("small", fold) for fold in range(3)]
    for fold in (0, 1):
        assert np.array_equal(adapted.oof[folds[fold]], frozen.oof[folds[fold]])
    assert len(np.unique(adapted.oof[folds[2]], axis=0)) == 1


def test_a_trial_that_is_clearly_worse_stops_between_folds(
    params: Params, features: dict[str, FeatureSet], folds: list[np.ndarray]
) -> None:
    trained = apply_values(params, {"train.num_epochs": 20})
    objective, study = Objective(trained, features.__getitem__, folds), study_of("wilcoxon")
    good = study.ask()
    study.tell(good, objective(good, {"model.fusion": "rgb"}).score)
    assert study.best_value > 0.95
    result = objective(study.ask(), {"model.fusion": "flow"})
    assert result.pruned
    assert len(result.fold_scores) < 3
    done = np.concatenate(folds[: len(result.fold_scores)])
    assert np.isfinite(result.oof[done]).all()
    assert np.isnan(np.delete(result.oof, done, axis=0)).all()


def test_a_trial_of_the_same_values_is_not_pruned(
    params: Params, features: dict[str, FeatureSet], folds: list[np.ndarray]
) -> None:
    objective, study = Objective(params, features.__getitem__, folds), study_of("wilcoxon")
    first = study.ask()
    study.tell(first, objective(first, {}).score)
    again = objective(study.ask(), {})
    assert not again.pruned
    assert len(again.fold_scores) == 3


@pytest.fixture
def late(params: Params) -> Params:
    return apply_values(params, {"model.fusion": "late", "train.num_epochs": 20})


def test_streams_are_mixed_by_a_weight_that_is_fitted_on_the_other_folds(
    late: Params, features: dict[str, FeatureSet], folds: list[np.ndarray]
) -> None:
    result = Objective(late, features.__getitem__, folds)(study_of("none").ask(), {})
    data = features["small"]
    done = list(cross_validate(data, folds, late.model, late.train, late.seed))
    for fold in done:
        assert fold.streams is not None
        others = [other for other in done if other is not fold]
        labels = np.concatenate([data.labels[other.positions] for other in others])
        weight = fit_rgb_weight(labels, {s: np.concatenate([o.streams[s] for o in others]) for s in ("rgb", "flow")})
        assert 0.5 < weight <= 1  # RGB tells the classes apart and flow is noise
        assert np.array_equal(result.oof[fold.positions], mix_streams(fold.streams, weight))
        assert result.fold_losses[fold.index] < cross_entropy(data.labels[fold.positions], fold.probabilities)
    assert result.fold_scores == pytest.approx([METRICS["top1"](data.labels[f], result.oof[f]) for f in folds])
    every = {s: np.concatenate([fold.streams[s] for fold in done]) for s in ("rgb", "flow")}
    assert result.fitted == {"rgb_weight": fit_rgb_weight(data.labels, every)}


def test_one_fold_leaves_the_streams_as_the_fusion_mixes_them(
    late: Params, features: dict[str, FeatureSet], folds: list[np.ndarray]
) -> None:
    result = Objective(late, features.__getitem__, folds[:1])(study_of("none").ask(), {})
    (only,) = cross_validate(features["small"], folds[:1], late.model, late.train, late.seed)
    assert np.array_equal(result.oof[folds[0]], only.probabilities)
    assert result.fitted == {}


def test_a_pruned_trial_has_no_weight(late: Params, features: dict[str, FeatureSet], folds: list[np.ndarray]) -> None:
    study = study_of("wilcoxon")
    good = study.ask()
    study.tell(good, Objective(late, features.__getitem__, folds)(good, {"model.fusion": "rgb"}).score)
    seen = features["small"].features
    nothing = {view: {stream: array * 0 for stream, array in streams.items()} for view, streams in seen.items()}
    blind = {"small": replace(features["small"], features=nothing)}
    result = Objective(late, blind.__getitem__, folds)(study.ask(), {})
    assert result.pruned
    assert result.fitted == {}


def test_predictions_made_elsewhere_are_scored_on_the_same_folds() -> None:
    labels, folds = np.array([0, 0, 1, 1, 1, 1]), [np.array([0, 1]), np.array([2, 3, 4, 5])]
    probabilities = np.eye(2, dtype=np.float32)[[0, 1, 1, 1, 1, 0]]
    assert score_predictions("top1", labels, probabilities, folds) == pytest.approx((0.625, 0.625))
    f1 = (2 / 3 + 0) / 2, (6 / 7 + 0) / 2  # of both classes in each fold
    assert score_predictions("macro_f1", labels, probabilities, folds) == pytest.approx((sum(f1) / 2, 0.625))
