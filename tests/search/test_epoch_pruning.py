"""A pruner that watches epochs: it stops trials in their first fold, and changes no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from searching import Load, Made, search, trial_runs

from varml.config import Params
from varml.config.space import apply_values
from varml.data.dataset import FeatureSet
from varml.metrics.classification import METRICS
from varml.search.objective import Objective, TrialResult
from varml.search.pruners import make_pruner

NUM_EPOCHS = 9


@pytest.fixture(scope="module")
def watched(params: Params) -> Params:
    return apply_values(params, {"search.pruner": "hyperband", "train.num_epochs": NUM_EPOCHS})


def study_of(params: Params) -> optuna.Study:
    # Hyperband's brackets follow from the name.
    return optuna.create_study(study_name="epochs", direction="maximize", pruner=make_pruner(params))


def run(study: optuna.Study, objective: Objective, fusion: str) -> TrialResult:
    trial = study.ask()
    result = objective(trial, {"model.fusion": fusion})
    if result.pruned:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, result.score)
    return result


@pytest.mark.parametrize("metric", METRICS)
def test_each_epoch_of_the_first_fold_is_reported_by_the_metric_that_is_searched_for(
    watched: Params, features: dict[str, FeatureSet], folds: list[np.ndarray], metric: str
) -> None:
    chosen = apply_values(watched, {"search.objectives": [metric]})
    study = study_of(chosen)
    result = run(study, Objective(chosen, features.__getitem__, folds), "flow")
    curve = [epoch[f"val_{metric}"] for epoch in result.fold_epochs[0]]
    assert len(curve) == NUM_EPOCHS
    assert study.trials[0].intermediate_values == dict(enumerate(curve, start=1))
    assert curve[-1] == result.fold_scores[0]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_trial_that_is_not_stopped_is_the_same_to_the_bit(
    watched: Params, features: dict[str, FeatureSet], folds: list[np.ndarray], num_workers: int
) -> None:
    values = {"model.fusion": "late", "model.backbone": "large"}
    plain = apply_values(watched, {"search.pruner": "none"})
    one, other = (
        Objective(params, features.__getitem__, folds, num_workers=num_workers)(study_of(params).ask(), values)
        for params in (watched, plain)
    )
    assert one.oof.tobytes() == other.oof.tobytes()
    assert {s: p.tobytes() for s, p in one.streams.items()} == {s: p.tobytes() for s, p in other.streams.items()}
    assert (one.fold_scores, one.fold_losses, one.fitted) == (other.fold_scores, other.fold_losses, other.fitted)
    assert (one.fold_epochs, one.pruned) == (other.fold_epochs, False)


def test_a_bad_trial_stops_in_its_first_fold(
    watched: Params, features: dict[str, FeatureSet], folds: list[np.ndarray]
) -> None:
    # With 4 of 9 epochs for the least there is one bracket: all trials are compared after 4.
    chosen = apply_values(watched, {"search.pruner": {"name": "hyperband", "min_resource": 4}})
    objective, study = Objective(chosen, features.__getitem__, folds), study_of(chosen)
    good = run(study, objective, "rgb")
    assert (good.pruned, len(good.fold_scores)) == (False, len(folds))
    bad = run(study, objective, "flow")
    assert bad.pruned
    assert [len(epochs) for epochs in bad.fold_epochs] == [4]
    assert bad.fold_scores == []
    assert np.isnan(bad.oof).all()
    assert bad.loss == bad.fold_epochs[0][-1]["val_loss"]
    assert list(study.trials[1].intermediate_values) == [1, 2, 3, 4]
    assert study.trials[1].state == TrialState.PRUNED


def test_a_kept_trial_is_computed_again_without_a_study(
    watched: Params, features: dict[str, FeatureSet], folds: list[np.ndarray]
) -> None:
    objective = Objective(watched, features.__getitem__, folds)
    again = objective(optuna.trial.FixedTrial({}), {})
    assert again.oof.tobytes() == run(study_of(watched), objective, "rgb").oof.tobytes()


# A whole search.

NUM_TRIALS = 14


@pytest.fixture(scope="module")
def banded(watched: Params, searched: Params, load: Load, folds: list[np.ndarray], project: Path) -> Made:
    space = {
        "model": {"fusion": {"choices": ["rgb", "flow"]}},
        "train": {"lr": {"type": "float", "low": 5e-3, "high": 5e-2, "log": True}},
    }
    values = {
        "search.pruner": {"name": "hyperband", "reduction_factor": 3},
        "search.space": space,
        "search.num_trials": NUM_TRIALS,
        "train.num_epochs": NUM_EPOCHS,
    }
    return search(apply_values(searched, values), load, folds, project / "banded")


def test_a_search_stops_bad_trials_after_few_epochs_and_never_the_best(banded: Made, folds: list[np.ndarray]) -> None:
    trials, whole = banded.result.trials, len(folds) * NUM_EPOCHS
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    # Brackets ask after 1, 3 and 9 epochs; a trial that is stopped has run no other fold.
    steps = [trial.last_step for trial in pruned]
    assert set(steps) <= {1, 3, 9}
    assert min(steps) < NUM_EPOCHS
    num_epochs = sum(steps) + whole * (NUM_TRIALS - len(pruned))
    assert num_epochs < 0.8 * whole * NUM_TRIALS
    assert banded.result.ranked[0].params["model.fusion"] == "rgb"
    assert "flow" in {trial.params["model.fusion"] for trial in pruned}


def test_the_epochs_of_a_stopped_trial_are_in_its_run(banded: Made) -> None:
    runs = trial_runs(banded.parent)
    for trial in banded.result.trials:
        run = runs[trial.number]
        history = banded.parent.client.get_metric_history(run.info.run_id, "val_top1")
        if trial.state == TrialState.PRUNED:
            assert run.info.status == "KILLED"
            assert {point.step + 1: point.value for point in history} == pytest.approx(
                trial.intermediate_values, rel=1e-5
            )
            assert trial.user_attrs["log_loss"] > 0
        else:
            assert (run.info.status, len(history)) == ("FINISHED", NUM_EPOCHS)


def test_the_parent_says_how_trials_were_drawn_and_stopped(banded: Made) -> None:
    params = banded.parent.client.get_run(banded.parent.run_id).data.params
    assert params["search.sampler"] == "random"
    assert params["search.pruner"] == "{'name': 'hyperband', 'reduction_factor': 3}"
