"""One contract for every pruner that is registered, and what is reported to each."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from varml.config import Params
from varml.config.part import Part
from varml.config.space import apply_values
from varml.search.parallel.storage import experimental
from varml.search.pruners import Credits, make_pruner, pruners
from varml.search.pruners.wilcoxon import MAX_STEPS_PER_FOLD

NUM_VIDEOS, NUM_FOLDS, NUM_EPOCHS = 20, 4, 9
NUM_EARLIER = 12


def study_of(name: str) -> optuna.Study:
    with experimental():
        pruner = pruners[name]().make(NUM_EPOCHS)
    # Hyperband's brackets follow from the name.
    return optuna.create_study(study_name="pruned", direction="maximize", pruner=pruner)


def some(num_correct: int) -> Credits:
    return np.arange(NUM_VIDEOS) < num_correct


def is_pruned(study: optuna.Study, name: str, num_correct: int, num_folds: int = 1) -> bool:
    """Run a trial that recognises so many videos in each fold, as a search reports it; return whether it is stopped."""
    pruner, trial = pruners[name](), study.ask()
    for step in range(NUM_EPOCHS) if pruner.watches_epochs else range(num_folds):
        if pruner.watches_epochs:
            trial.report(float(some(num_correct).mean()), step + 1)
        else:
            pruner.report_fold(trial, step, some(num_correct))
        if trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return True
    study.tell(trial, float(some(num_correct).mean()))
    return False


# What every pruner does.


@pytest.fixture(params=pruners.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def earlier(name: str) -> optuna.Study:
    """A study of trials that are all alike, so that none of them is stopped."""
    study = study_of(name)
    assert not any(is_pruned(study, name, 8, NUM_FOLDS) for _ in range(NUM_EARLIER))
    return study


def test_the_best_trial_is_never_stopped(earlier: optuna.Study, name: str) -> None:
    for num_correct in (9, 12, 16, 20):
        assert not is_pruned(earlier, name, num_correct, NUM_FOLDS)


def test_a_trial_that_recognises_nothing_is_stopped_unless_nothing_is(earlier: optuna.Study, name: str) -> None:
    assert [is_pruned(earlier, name, 0, NUM_FOLDS) for _ in range(3)] == [name != "none"] * 3


def test_the_first_trial_is_never_stopped(name: str) -> None:
    assert not is_pruned(study_of(name), name, 0, NUM_FOLDS)


def test_arguments_reach_optuna(name: str, params: Params) -> None:
    for argument, field in pruners[name].model_fields.items():
        part = Part(name=name, **{argument: 0.5 if isinstance(field.default, float) else (field.default or 4) + 1})
        made, default = (
            vars(make_pruner(apply_values(params, {"search.pruner": one.model_dump()})))
            for one in (part, Part(name=name))
        )
        assert made != default, argument


# Wilcoxon.


@pytest.mark.parametrize(("num_correct", "expected"), [(0, True), (10, True), (19, False), (20, False)])
def test_wilcoxon_stops_what_is_clearly_worse_than_the_best(num_correct: int, expected: bool) -> None:
    study = study_of("wilcoxon")
    assert not is_pruned(study, "wilcoxon", 20, 2)
    assert is_pruned(study, "wilcoxon", num_correct) == expected


def test_each_video_of_a_small_fold_is_a_step_of_its_own() -> None:
    trial = study_of("wilcoxon").ask()
    for fold in (0, 1):
        pruners["wilcoxon"]().report_fold(trial, fold, np.array([1.0, 0.0]))
    assert trial.study.trials[0].intermediate_values == {
        0: 1.0, 1: 0.0, MAX_STEPS_PER_FOLD: 1.0, MAX_STEPS_PER_FOLD + 1: 0.0,
    }  # fmt: skip


def test_a_large_fold_reports_the_means_of_equal_blocks() -> None:
    trial = study_of("wilcoxon").ask()
    correct = np.arange(2 * MAX_STEPS_PER_FOLD) % 4 == 0  # one of two in every other block
    pruners["wilcoxon"]().report_fold(trial, 1, correct)
    reported = trial.study.trials[0].intermediate_values
    assert list(reported) == list(range(MAX_STEPS_PER_FOLD, 2 * MAX_STEPS_PER_FOLD))
    assert list(reported.values()) == [0.5, 0.0] * (MAX_STEPS_PER_FOLD // 2)


# The others.


def test_median_stops_what_is_under_the_median_after_five_trials() -> None:
    study = study_of("median")
    for _ in range(4):
        is_pruned(study, "median", 8, 2)
    assert not is_pruned(study, "median", 0)
    study = study_of("median")
    for num_correct in (4, 6, 8, 10, 12):
        is_pruned(study, "median", num_correct, 2)
    assert is_pruned(study, "median", 7)
    assert not is_pruned(study, "median", 9)


def test_none_reports_nothing() -> None:
    study = study_of("none")
    is_pruned(study, "none", 12, NUM_FOLDS)
    assert study.trials[0].intermediate_values == {}


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({}, 4),
        ({"train": {"num_epochs": {"choices": [5, 27, 9]}}}, 27),
        ({"train": {"num_epochs": {"type": "int", "low": 1, "high": 3}}}, 3),
        (
            {
                "model": {"fusion": {"choices": ["rgb", "flow"]}},
                "train": {"num_epochs": {"choices": [2, 3], "when": {"model.fusion": "rgb"}}},
            },
            4,
        ),
    ],
)
def test_hyperband_knows_the_most_epochs_that_a_trial_may_have(
    params: Params, space: dict[str, object], expected: int
) -> None:
    assert params.train.num_epochs == 4
    chosen = apply_values(params, {"search.pruner": "hyperband", "search.space": space})
    assert make_pruner(chosen)._max_resource == expected
    given = apply_values(chosen, {"search.pruner": {"name": "hyperband", "max_resource": 8}})
    assert make_pruner(given)._max_resource == 8
