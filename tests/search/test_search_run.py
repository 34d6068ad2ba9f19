"""The whole search: its trials, and its runs in MLflow."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.trial import TrialState
from searching import BROKEN, NUM_TRIALS, Made, trial_runs

from varml.config import Params
from varml.data.dataset import FeatureSet
from varml.tracking.runs import children

# The study.


def test_the_study_has_its_number_of_trials_of_all_states(made: Made) -> None:
    assert [trial.number for trial in made.result.trials] == list(range(NUM_TRIALS))
    assert {trial.state.name for trial in made.result.trials} == {"COMPLETE", "PRUNED", "FAIL"}


def test_the_first_wave_runs_first(made: Made, searched: Params) -> None:
    own = {"model.backbone": "small", "model.fusion": "rgb", "model.width": 8, "train.lr": searched.train.lr}
    alone = [{"model.backbone": "large"}, {"model.fusion": "flow"}, {"model.width": 16}, {"model.backbone": "broken"}]
    tried = [trial.params for trial in made.result.trials]
    assert tried[:5] == [own, *({**own, **change} for change in alone)]
    # The other trials are sampled, the learning rate too.
    assert len({values["train.lr"] for values in tried}) == NUM_TRIALS - 4


def test_a_trial_fails_alone_and_with_its_reason(made: Made) -> None:
    for trial in made.result.trials:
        broken = trial.params["model.backbone"] == "broken"
        assert (trial.state == TrialState.FAIL) == broken
        assert trial.user_attrs.get("reason") == (f"RuntimeError: {BROKEN}" if broken else None)


def test_the_ranked_are_the_best_with_their_own_out_of_fold_predictions(
    made: Made, searched: Params, features: dict[str, FeatureSet], folds: list[np.ndarray]
) -> None:
    ranked = made.result.ranked
    complete = [trial for trial in made.result.trials if trial.state == TrialState.COMPLETE]
    assert len(ranked) == 2
    assert ranked[0].value == max(trial.value for trial in complete)
    for trial, probabilities in zip(ranked, made.result.oof.probabilities, strict=True):
        labels = features[trial.params["model.backbone"]].labels
        correct = probabilities.argmax(1) == labels
        assert trial.value == pytest.approx(np.mean([correct[fold].mean() for fold in folds]))


# The runs.


def test_each_trial_is_a_run_with_its_status_under_the_parent(made: Made) -> None:
    runs = trial_runs(made.parent)
    statuses = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
    assert {number: run.info.status for number, run in runs.items()} == {
        trial.number: statuses[trial.state.name] for trial in made.result.trials
    }
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {made.parent.run_id}
    assert all(run.info.start_time <= run.info.end_time for run in runs.values())


def test_a_run_holds_the_params_and_figures_of_its_trial(made: Made, searched: Params) -> None:
    runs = trial_runs(made.parent)
    for trial in made.result.trials:
        run = runs[trial.number]
        assert run.data.params == {path: str(value) for path, value in trial.params.items()}
        if trial.state == TrialState.COMPLETE:
            assert run.data.metrics["value"] == trial.value
            folds = made.parent.client.get_metric_history(run.info.run_id, "fold_score")
            assert np.mean([point.value for point in folds]) == pytest.approx(trial.value)
            losses = made.parent.client.get_metric_history(run.info.run_id, "val_loss")
            assert [point.step for point in losses] == list(range(searched.train.num_epochs))
        else:
            assert "value" not in run.data.metrics
        assert run.data.tags.get("varml.reason") == trial.user_attrs.get("reason")


def test_the_parent_has_the_curve_of_the_best_value(made: Made) -> None:
    points = made.parent.client.get_metric_history(made.parent.run_id, "best_value")
    assert [point.step for point in points] == list(range(1, NUM_TRIALS + 1))
    values = [point.value for point in points]
    assert values == sorted(values)
    assert values[0] == made.result.trials[0].value
    assert values[-1] == made.result.ranked[0].value


def test_the_parent_is_finished_and_named_after_its_study(made: Made, searched: Params) -> None:
    run = made.parent.client.get_run(made.parent.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["varml.study"] == made.name
    assert run.data.tags["varml.folds"] == "grouped"
    assert run.data.params["search.num_trials"] == str(searched.search.num_trials)
    assert [entry.dataset.name for entry in run.inputs.dataset_inputs] == ["manifest"]


def test_the_baseline_is_a_run_of_its_own(made: Made) -> None:
    (run,) = [run for run in children(made.parent) if run.data.tags["varml.kind"] == "baseline"]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["value"] == made.result.baseline.score
    assert made.result.baseline.score > 0.9  # rgb is separable
