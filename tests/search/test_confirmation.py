"""What is confirmed, how it competes with what it is on cached features, and what is written of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from confirming import (
    BAD,
    GOOD,
    MEMORY_MB,
    RAISE,
    REASONS,
    TIMEOUT_SEC,
    UNREADABLE,
    Confirmed,
    confirm,
    confirmed_outs,
    epochs,
    never,
)
from searching import Load, Made, search, written

from varml.config import Params
from varml.config.space import apply_values
from varml.errors import StoreError
from varml.metrics.classification import accuracy
from varml.search.confirmation.candidates import Candidate
from varml.search.confirmation.confirm import correlation_of
from varml.search.confirmation.kept_trainings import kept_training
from varml.search.results import best_content, is_confirmed, ranked_params, read_best
from varml.tracking.runs import children
from varml.training.out_of_fold import read_oof
from varml.training.served import choose_served

LR = {"lr": {"type": "float", "low": 5e-3, "high": 5e-2, "log": True}}
SPACE = {"model": {"fusion": {"choices": ["rgb", "flow", "late"]}, "width": {"choices": [8, 16]}}, "train": LR}
CONFIRM = {
    "search.space": SPACE, "search.pruner": "none", "search.num_trials": 6, "search.confirm.top_k": 1,
    "search.confirm.timeout_sec": TIMEOUT_SEC, "search.confirm.memory_mb": MEMORY_MB, "engine.num_workers": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def confirming(searched: Params) -> Params:
    return apply_values(searched, {**CONFIRM, "search.confirm.space": epochs(GOOD)})


@pytest.fixture(scope="module")
def found(
    confirming: Params, project: Path, load: Load, folds: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Made:
    return search(confirming, load, folds, tmp_path_factory.mktemp("confirmed"))


@pytest.fixture(scope="module")
def mixed(confirming: Params, found: Made, load: Load, folds: list[np.ndarray]) -> Confirmed:
    """Good and bad trainings on one fold."""
    params = apply_values(confirming, {"search.confirm.space": epochs(GOOD, BAD)})
    confirmation = confirm(found, params, load, folds)
    assert confirmation is not None
    return Confirmed(found, params, load, folds, confirmation)


@pytest.fixture(scope="module")
def failing(
    confirming: Params, project: Path, load: Load, folds: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Confirmed:
    """All that a training may do, with the only trial of a study, on one fold."""
    values = {"search.space": {"train": LR}, "search.num_trials": 1}
    params = apply_values(confirming, {**values, "search.confirm.space": epochs(GOOD, *REASONS)})
    made = search(params, load, folds, tmp_path_factory.mktemp("failing"))
    confirmation = confirm(made, params, load, folds)
    assert confirmation is not None
    return Confirmed(made, params, load, folds, confirmation)


@pytest.fixture(scope="module")
def whole(confirming: Params, found: Made, load: Load, folds: list[np.ndarray]) -> Confirmed:
    """Good and bad trainings on all folds."""
    params = apply_values(confirming, {"search.confirm.space": epochs(GOOD, BAD), "search.confirm.num_folds": None})
    confirmation = confirm(found, params, load, folds)
    assert confirmation is not None
    return Confirmed(found, params, load, folds, confirmation)


# Without it.


def test_nothing_is_confirmed_and_nothing_changes_where_top_k_is_0(
    found: Made, confirming: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    without = apply_values(confirming, {"search.confirm.top_k": 0})
    assert confirm(found, without, load, folds, never) is None
    assert confirmed_outs(found, without, None, tmp_path / "one") == written(found, without, tmp_path / "other")


# What fails.


def test_each_fails_alone_with_its_reason_and_the_others_go_on(failing: Confirmed) -> None:
    runs = [run for run in children(failing.parent) if run.data.tags["varml.kind"] == "confirmation"]
    by_behaviour = {int(run.data.params["train.finetune.num_epochs"]): run for run in runs}
    assert len(by_behaviour) == len(runs) == 1 + len(REASONS)
    for how, reason in REASONS.items():
        assert by_behaviour[how].info.status == "FAILED"
        assert by_behaviour[how].data.tags["varml.reason"] == reason
        assert "value" not in by_behaviour[how].data.metrics
    assert by_behaviour[GOOD].info.status == "FINISHED"
    assert failing.confirmation.num_failed == len(REASONS)
    assert [one.is_confirmed for one in failing.confirmation.ranked].count(True) == 1


def test_running_again_trains_nothing_and_writes_the_same(failing: Confirmed, tmp_path: Path) -> None:
    runs = {run.info.run_id for run in children(failing.parent)}
    again = confirm(failing.made, failing.params, failing.load, failing.folds, never)
    one = confirmed_outs(failing.made, failing.params, failing.confirmation, tmp_path / "one")
    assert confirmed_outs(failing.made, failing.params, again, tmp_path / "again") == one
    assert {run.info.run_id for run in children(failing.parent)} == runs


def copied(of: Confirmed, folder: Path) -> Made:
    """Return the search with a copy of all that it keeps."""
    return replace(of.made, folder=shutil.copytree(of.made.folder, folder))


def test_what_failed_is_tried_again_under_other_limits(failing: Confirmed, tmp_path: Path) -> None:
    values = {"search.confirm.timeout_sec": 60.0, "search.confirm.space": epochs(GOOD, RAISE)}
    made = copied(failing, tmp_path / "studies")
    again = confirm(made, apply_values(failing.params, values), failing.load, failing.folds, never)
    assert again is not None
    assert again.num_failed == 1
    reasons = [json.loads(file.read_text())["reason"] for file in (made.folder / made.name).glob("failed-*.json")]
    assert "its process ended (exit code 9)" in reasons
    assert REASONS[RAISE] not in reasons


def test_where_all_failed_all_are_tried_again(failing: Confirmed, tmp_path: Path) -> None:
    made = copied(failing, tmp_path / "studies")
    params = apply_values(failing.params, {"search.confirm.space": epochs(10)})
    nothing = confirm(made, params, failing.load, failing.folds, never)
    assert nothing is not None
    assert (nothing.num_failed, nothing.correlation.spearman) == (1, None)
    assert not any(candidate.is_confirmed for candidate in nothing.ranked)
    mended = confirm(made, params, failing.load, failing.folds)
    assert mended is not None
    assert mended.num_failed == 0


def test_what_cannot_be_read_ends_the_search(
    found: Made, confirming: Params, load: Load, folds: list[np.ndarray]
) -> None:
    params = apply_values(confirming, {"search.confirm.space": epochs(UNREADABLE)})
    with pytest.raises(StoreError, match="frames are gone"):
        confirm(found, params, load, folds)


def test_kept_trainings_are_found_in_another_study_unless_they_are_damaged(mixed: Confirmed, tmp_path: Path) -> None:
    folder = shutil.copytree(mixed.made.folder, tmp_path / "studies")
    (file, *_) = sorted((folder / mixed.made.name).glob("confirmed-*.npz"))
    key = file.stem.removeprefix("confirmed-")
    kept = kept_training(folder / "another", key)
    assert kept is not None
    assert kept.result.epochs == [{"train_loss": 2.0}, {"train_loss": 1.0}]
    assert (folder / "another" / file.name).read_bytes() == file.read_bytes()
    whole = file.read_bytes()
    for cut in (10, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:cut])
        (folder / "another" / file.name).unlink(missing_ok=True)
        assert kept_training(folder / "another", key) is None


# Who competes with whom.


def test_the_best_and_the_best_of_each_fusion_are_confirmed(mixed: Confirmed) -> None:
    complete = [trial for trial in mixed.made.result.trials if trial.value is not None]
    confirmed = {candidate.trial for candidate in mixed.confirmation.ranked if candidate.is_confirmed}
    for fusion in ("rgb", "flow", "late"):
        best = max(
            (trial for trial in complete if trial.params["model.fusion"] == fusion),
            key=lambda trial: (trial.value, -trial.user_attrs["log_loss"]),
        )
        assert best.number in confirmed
    frozen = {candidate.trial for candidate in mixed.confirmation.ranked if not candidate.is_confirmed}
    assert frozen == confirmed | {trial.number for trial in mixed.made.result.ranked}


def test_all_are_judged_by_the_same_videos(mixed: Confirmed) -> None:
    oof, (fold, *others) = mixed.confirmation.oof, mixed.folds
    assert sorted(np.flatnonzero(oof.folds == 0)) == sorted(fold)
    assert (oof.folds[np.concatenate(others)] == -1).all()
    frozen = {one.trial: one.value for one in mixed.confirmation.ranked if not one.is_confirmed}
    for candidate, said in zip(mixed.confirmation.ranked, oof.probabilities, strict=True):
        assert np.isnan(said[np.concatenate(others)]).all()
        assert candidate.value == pytest.approx(accuracy(oof.labels[fold], said[fold]))
        if candidate.is_confirmed:
            assert candidate.cached_value == frozen[candidate.trial]


def test_on_all_folds_a_frozen_one_is_worth_what_its_trial_was(whole: Confirmed) -> None:
    trials = {trial.number: trial for trial in whole.made.result.trials}
    frozen = [candidate for candidate in whole.confirmation.ranked if not candidate.is_confirmed]
    assert len(frozen) >= 3
    for candidate in frozen:
        trial = trials[candidate.trial]
        assert candidate.value == pytest.approx(trial.value)
        assert candidate.log_loss == pytest.approx(trial.user_attrs["log_loss"])
        assert candidate.fitted == trial.user_attrs.get("fitted", {})


def test_the_order_is_that_of_the_figures_whoever_was_trained_end_to_end(whole: Confirmed) -> None:
    ranked = whole.confirmation.ranked
    assert [(-one.value, one.log_loss) for one in ranked] == sorted((-one.value, one.log_loss) for one in ranked)
    assert ranked[0].value == 1.0
    assert ranked[-1].is_confirmed
    assert ranked[-1].params["train.finetune.num_epochs"] == BAD


@pytest.mark.parametrize(
    ("value", "loss", "first"), [(0.9, 0.2, True), (0.7, 0.1, False), (0.8, 0.2, True), (0.8, 0.3, False)]
)
def test_of_equal_ones_the_frozen_one_is_served(value: float, loss: float, first: bool) -> None:
    frozen = Candidate(0, {}, 0.8, 0.3)
    confirmed = Candidate(0, {}, value, loss, cached_value=0.8)
    assert min(frozen, confirmed, key=lambda one: one.rank).is_confirmed == first


def test_the_weight_of_the_streams_is_fitted_on_other_folds_where_there_are_any(
    mixed: Confirmed, whole: Confirmed
) -> None:
    def late(of: Confirmed) -> Candidate:
        return next(
            one
            for one in of.confirmation.ranked
            if one.params["model.fusion"] == "late" and one.params.get("train.finetune.num_epochs") == GOOD
        )

    assert late(mixed).fitted == {}
    assert late(whole).fitted["rgb_weight"] > 0.9  # flow says the contrary of what is right


def test_the_correlation_is_that_of_trials_at_their_best() -> None:
    def one(trial: int, cached: float, value: float) -> Candidate:
        return Candidate(trial, {}, value, 1.0, cached_value=cached)

    confirmed = [one(0, 0.9, 0.1), one(0, 0.9, 0.8), one(1, 0.8, 0.9), one(2, 0.7, 0.7), one(3, 0.6, 0.6)]
    found = correlation_of(confirmed)
    assert (found.spearman, found.num) == (pytest.approx(0.8), 4)
    assert correlation_of([]).spearman is None


# What is written.


def test_best_yaml_names_all_that_competed(mixed: Confirmed, tmp_path: Path) -> None:
    confirmed_outs(mixed.made, mixed.params, mixed.confirmation, tmp_path)
    best = read_best(tmp_path / "best.yaml")
    assert best == best_content(mixed.made.result, mixed.params, mixed.confirmation)
    confirmed = [entry for entry in best["ranked"] if entry.get("confirmed")]
    assert len(confirmed) == 6
    assert all("cached_value" in entry for entry in confirmed)
    assert all("cached_value" not in entry for entry in best["ranked"] if "confirmed" not in entry)
    found = best["confirmation"]
    assert (found["num"], found["num_failed"], found["num_folds"], found["num_videos"]) == (3, 0, 1, 12)
    metrics = json.loads((tmp_path / "search.json").read_text())
    assert metrics["confirmation"] == {"spearman": found["spearman"], "num": 3, "num_failed": 0}
    assert metrics["winner"] == best["ranked"][0]["params"]


def test_the_final_training_has_exactly_the_values_that_were_validated(mixed: Confirmed) -> None:
    best = best_content(mixed.made.result, mixed.params, mixed.confirmation)
    elsewhere = apply_values(mixed.params, {"train.unfreeze": "last_stage", "train.augment": 0.75})
    for rank, entry in enumerate(best["ranked"]):
        train = ranked_params(elsewhere, best, rank).train
        assert is_confirmed(best, rank) == entry.get("confirmed", False)
        if is_confirmed(best, rank):
            assert (train.unfreeze, train.augment) == ("all", 0)
            assert train.finetune.num_epochs == entry["params"]["train.finetune.num_epochs"]
        else:
            assert (train.unfreeze, train.augment) == ("none", 0)


def test_what_is_served_is_chosen_among_all_by_their_predictions(
    mixed: Confirmed, whole: Confirmed, tmp_path: Path
) -> None:
    for of, folder in ((mixed, tmp_path / "mixed"), (whole, tmp_path / "whole")):
        confirmed_outs(of.made, of.params, of.confirmation, folder)
        oof = read_oof(folder / "oof.npz")
        assert len(oof.probabilities) == len(of.confirmation.ranked)
        served = choose_served(oof, "top1", of.params.train)
        assert served.figures["single_top1"] == pytest.approx(1.0)
        assert set(served.weights) <= set(range(len(of.confirmation.ranked)))
        assert np.isfinite(served.temperature)


# The runs.


def test_each_is_a_run_with_its_figures_and_its_epochs(whole: Confirmed) -> None:
    client = whole.parent.client
    runs = [run for run in children(whole.parent) if run.data.tags["varml.kind"] == "confirmation"]
    for candidate in (one for one in whole.confirmation.ranked if one.is_confirmed):
        # The same was confirmed on one fold before, which is a run of its own.
        (run,) = [
            run for run in runs
            if run.data.params == {path: str(value) for path, value in candidate.params.items()}
            and len(client.get_metric_history(run.info.run_id, "fold_score")) == 3
        ]  # fmt: skip
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == whole.parent.run_id
        assert run.data.metrics["value"] == pytest.approx(candidate.value)
        assert run.data.metrics["cached_value"] == pytest.approx(candidate.cached_value)
        scores = client.get_metric_history(run.info.run_id, "fold_score")
        assert np.mean([point.value for point in scores]) == pytest.approx(candidate.value)
        losses = client.get_metric_history(run.info.run_id, "train_loss")
        assert [(point.step, point.value) for point in losses] == [(0, 2.0), (1, 1.0)]
        assert run.info.run_name.startswith(f"end to end #{candidate.trial:03d} {candidate.params['model.fusion']} all")


def test_the_parent_tells_how_far_both_levels_agree(mixed: Confirmed) -> None:
    run = mixed.parent.client.get_run(mixed.parent.run_id)
    assert run.data.metrics["num_confirmed"] == 6
    assert "varml.confirmation.spearman" in run.data.tags
