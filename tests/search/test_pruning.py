"""What is reported to each pruner, and which trials it stops."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from varml.search.pruning import MAX_STEPS_PER_FOLD, PRUNINGS, Credits

NUM_VIDEOS = 12


def study_of(name: str) -> optuna.Study:
    return optuna.create_study(direction="maximize", pruner=PRUNINGS[name].make())


def finish(study: optuna.Study, name: str, correct: Credits) -> None:
    trial = study.ask()
    for fold in (0, 1):
        PRUNINGS[name].report(trial, fold, correct)
    study.tell(trial, float(correct.mean()))


def is_pruned(study: optuna.Study, name: str, correct: Credits) -> bool:
    trial = study.ask()
    PRUNINGS[name].report(trial, 0, correct)
    return trial.should_prune()


def some(num_correct: int) -> Credits:
    return np.arange(NUM_VIDEOS) < num_correct


@pytest.mark.parametrize(("num_correct", "expected"), [(0, True), (4, True), (11, False), (12, False)])
def test_wilcoxon_stops_what_is_clearly_worse_than_the_best(num_correct: int, expected: bool) -> None:
    study = study_of("wilcoxon")
    finish(study, "wilcoxon", some(12))
    assert is_pruned(study, "wilcoxon", some(num_correct)) == expected


def test_wilcoxon_does_not_stop_what_is_better() -> None:
    study = study_of("wilcoxon")
    finish(study, "wilcoxon", some(4))
    assert not is_pruned(study, "wilcoxon", some(12))


def test_median_stops_what_is_under_the_median_after_five_trials() -> None:
    study = study_of("median")
    for _ in range(4):
        finish(study, "median", some(8))
    assert not is_pruned(study, "median", some(0))
    study = study_of("median")
    for num_correct in (4, 6, 8, 10, 12):
        finish(study, "median", some(num_correct))
    assert is_pruned(study, "median", some(7))
    assert not is_pruned(study, "median", some(9))


def test_none_reports_nothing_and_stops_nothing() -> None:
    study = study_of("none")
    for _ in range(6):
        finish(study, "none", some(12))
    assert not is_pruned(study, "none", some(0))
    assert all(trial.intermediate_values == {} for trial in study.trials)


def test_each_video_of_a_small_fold_is_a_step_of_its_own() -> None:
    study = study_of("wilcoxon")
    finish(study, "wilcoxon", np.array([True, False]))
    assert study.trials[0].intermediate_values == {
        0: 1.0, 1: 0.0, MAX_STEPS_PER_FOLD: 1.0, MAX_STEPS_PER_FOLD + 1: 0.0,
    }  # fmt: skip


def test_a_large_fold_reports_the_means_of_equal_blocks() -> None:
    study = study_of("wilcoxon")
    correct = np.arange(2 * MAX_STEPS_PER_FOLD) % 4 == 0  # one of two in every other block
    finish(study, "wilcoxon", correct)
    reported = study.trials[0].intermediate_values
    assert list(reported) == list(range(2 * MAX_STEPS_PER_FOLD))
    assert list(reported.values()) == [0.5, 0.0] * MAX_STEPS_PER_FOLD
