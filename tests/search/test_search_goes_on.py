"""Searches that go on, begin again, or end early."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState
from searching import BROKEN, NUM_TRIALS, SPACE, Load, Made, next_name, open_parent, search, trial_runs, written

from varml.config import Params
from varml.config.space import apply_values
from varml.data.dataset import FeatureSet
from varml.errors import SearchError
from varml.search.study import load_study
from varml.tracking.runs import children, create_run

# Going on.


def test_running_again_adds_nothing_and_gives_the_same(
    made: Made, searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    before = {run.info.run_id for run in children(made.parent)}
    again = search(searched, load, folds, made.folder, made.name)
    assert again.parent.run_id == made.parent.run_id
    assert {run.info.run_id for run in children(again.parent)} == before
    assert again.parent.client.get_run(again.parent.run_id).info.status == "FINISHED"
    assert written(again, searched, tmp_path / "again") == written(made, searched, tmp_path / "made")


def test_predictions_of_earlier_trials_are_kept_and_computed_again_where_they_are_lost(
    made: Made, searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    expected = written(made, searched, tmp_path / "made")
    folder = shutil.copytree(made.folder, tmp_path / "studies")
    num_loads = itertools.count()

    def counted(backbone: str) -> FeatureSet:
        next(num_loads)
        return load(backbone)

    again = search(searched, counted, folds, folder, made.name)
    assert written(again, searched, tmp_path / "kept") == expected
    assert next(num_loads) == 2  # the baseline, and what all trials have in common
    first, *rest = sorted((folder / made.name).iterdir())
    assert len(rest) == len(made.result.ranked) - 1  # those of the others are not kept
    first.write_bytes(first.read_bytes()[:-1])
    for file in rest:
        file.unlink()
    again = search(searched, counted, folds, folder, made.name)
    assert written(again, searched, tmp_path / "lost") == expected
    assert next(num_loads) == 3 + 2 + len(made.result.ranked)


def test_equal_seeds_in_two_empty_folders_give_the_same_bytes(
    made: Made, searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    other = search(searched, load, folds, tmp_path / "studies")
    assert written(other, searched, tmp_path / "other") == written(made, searched, tmp_path / "made")
    reseeded = search(apply_values(searched, {"seed": 99, "search.num_trials": 6}), load, folds, tmp_path / "reseeded")
    same = [one.params == other.params for one, other in zip(made.result.trials, reseeded.result.trials, strict=False)]
    assert same == [True] * 5 + [False]  # after the first wave


def test_a_search_in_two_parts_is_the_search_in_one(
    made: Made, searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    fewer = apply_values(searched, {"search.num_trials": 4})
    part = search(fewer, load, folds, tmp_path / "studies")
    assert len(part.result.trials) == 4
    whole = search(searched, load, folds, tmp_path / "studies", part.name)
    assert written(whole, searched, tmp_path / "whole") == written(made, searched, tmp_path / "made")
    assert set(trial_runs(whole.parent)) == set(range(NUM_TRIALS))


def test_a_grown_space_keeps_its_trials_and_tries_what_is_new_whatever_the_number(
    searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    width, train = {"width": {"choices": [8, 16]}}, SPACE["train"]
    narrow = apply_values(searched, {"search.num_trials": 3, "search.space": {"model": width, "train": train}})
    model = {**width, "fusion": {"choices": ["rgb", "flow"]}}
    grown = apply_values(narrow, {"search.space": {"model": model, "train": train}})
    first = search(narrow, load, folds, tmp_path)
    loaded: list[str] = []

    def counting(backbone: str) -> FeatureSet:
        loaded.append(backbone)
        return load(backbone)

    second = search(grown, counting, folds, tmp_path)
    earlier = first.result.trials
    assert len(earlier) == 3
    *taken, new = second.result.trials
    assert [(t.params, t.value) for t in taken] == [({**t.params, "model.fusion": "rgb"}, t.value) for t in earlier]
    assert new.params == {"model.width": 8, "model.fusion": "flow", "train.lr": searched.train.lr}
    assert len(loaded) == 3  # the baseline, the new trial, and the labels of all
    runs = trial_runs(second.parent)
    assert [runs[trial.number].data.tags.get("varml.taken_from") for trial in second.result.trials] == [
        *(f"{first.name} #{trial.number}" for trial in earlier), None,
    ]  # fmt: skip
    again = search(grown, load, folds, tmp_path, second.name)
    assert len(again.result.trials) == len(second.result.trials)
    assert written(again, grown, tmp_path / "again") == written(second, grown, tmp_path / "second")


def test_a_study_that_is_full_of_earlier_trials_says_so(
    searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def space(high: float) -> dict[str, Any]:
        return {"train": {"lr": {"type": "float", "low": 5e-3, "high": high}}}

    narrow = apply_values(searched, {"search.num_trials": 2, "search.space": space(0.05)})
    search(narrow, load, folds, tmp_path)
    wider = apply_values(narrow, {"search.space": space(0.5)})
    assert "raise it" not in capsys.readouterr().out
    made = search(wider, load, folds, tmp_path)
    assert "all 2 trials are those of earlier searches, and search.num_trials is 2: raise it" in capsys.readouterr().out
    more = search(apply_values(wider, {"search.num_trials": 3}), load, folds, tmp_path, made.name)
    assert len(more.result.trials) == 3
    assert "raise it" not in capsys.readouterr().out


def test_an_interrupted_search_goes_on(
    made: Made, searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    loads = itertools.count()

    def interrupted(backbone: str) -> FeatureSet:
        if next(loads) == 4:  # the baseline is first
            raise KeyboardInterrupt
        return load(backbone)

    name = next_name()
    with pytest.raises(KeyboardInterrupt):
        search(searched, interrupted, folds, tmp_path / "studies", name)
    *_, interrupted_trial = load_study(tmp_path / "studies", name).get_trials(states=(TrialState.FAIL,))
    parent = open_parent(searched, tmp_path / "studies", name)
    assert len(trial_runs(parent)) == 3

    resumed = search(searched, load, folds, tmp_path / "studies", name)
    assert resumed.parent.run_id == parent.run_id
    assert len(resumed.result.trials) == NUM_TRIALS
    assert interrupted_trial.params in [trial.params for trial in resumed.result.trials[3:]]
    assert {trial.number for trial in resumed.result.trials} == set(trial_runs(resumed.parent))
    assert load_study(tmp_path / "studies", name).get_trials(states=(TrialState.RUNNING,)) == []


def test_a_trial_whose_run_was_half_written_by_a_killed_search_is_logged_again(
    searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    fewer = apply_values(searched, {"search.num_trials": 2})
    killed = search(fewer, load, folds, tmp_path)
    whole = trial_runs(killed.parent)[1]
    # What a kill leaves: a run that its writer began and will never end.
    killed.parent.client.delete_run(whole.info.run_id)
    half = create_run("searches", "#001", {"varml.kind": "trial", "varml.trial": "1"}, parent=killed.parent)

    again = search(fewer, load, folds, tmp_path, killed.name)
    runs = trial_runs(again.parent)
    assert set(runs) == {0, 1}
    assert runs[1].info.run_id not in (half.run_id, whole.info.run_id)
    assert (runs[1].info.status, runs[1].data.params) == (whole.info.status, whole.data.params)
    assert runs[1].data.metrics.get("value") == whole.data.metrics.get("value")


def test_an_interrupted_search_is_killed_in_mlflow(
    searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    def interrupted(backbone: str) -> FeatureSet:
        raise KeyboardInterrupt

    name = next_name()
    run = open_parent(searched, tmp_path, name)
    with pytest.raises(KeyboardInterrupt):
        search(searched, interrupted, folds, tmp_path, name)
    assert run.client.get_run(run.run_id).info.status == "KILLED"


# Searches that find nothing, or strange things.


def test_a_search_without_a_complete_trial_says_why(
    searched: Params, load: Load, folds: list[np.ndarray], features: dict[str, FeatureSet], tmp_path: Path
) -> None:
    only = {"model": {"backbone": {"choices": ["broken"]}}}
    broken = apply_values(searched, {"search.space": only, "search.num_trials": 2, "search.max_failed_fraction": 1.0})
    with pytest.raises(SearchError, match=f"no trial is complete; 2 of 2 ended with: RuntimeError: {BROKEN}"):
        search(broken, load, folds, tmp_path)


def test_too_many_failed_trials_end_a_search_and_the_next_tries_them_again(
    searched: Params, load: Load, folds: list[np.ndarray], features: dict[str, FeatureSet], tmp_path: Path
) -> None:
    strict = apply_values(searched, {"search.max_failed_fraction": 0.0})
    name = next_name()
    with pytest.raises(SearchError, match=f"allows 0 trials to fail; 1 of 1 ended with: RuntimeError: {BROKEN}"):
        search(strict, load, folds, tmp_path, name)
    study = load_study(tmp_path, name)
    failed = [trial.params for trial in study.trials if trial.state == TrialState.FAIL]
    assert len(failed) == 1
    assert len(study.trials) < NUM_TRIALS
    mended = search(strict, lambda backbone: features["small"], folds, tmp_path, name)
    assert len(mended.result.trials) == NUM_TRIALS
    assert all(values in [trial.params for trial in mended.result.trials] for values in failed)
    assert TrialState.FAIL not in {trial.state for trial in mended.result.trials}


def test_a_trial_that_runs_out_of_memory_fails_alone(
    searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    def greedy(backbone: str) -> FeatureSet:
        if backbone == "large":
            raise MemoryError("too large")
        return load("small")

    trials = search(searched, greedy, folds, tmp_path).result.trials
    assert len(trials) == NUM_TRIALS
    for trial in trials:
        large = trial.params["model.backbone"] == "large"
        assert trial.user_attrs.get("reason") == ("MemoryError: too large" if large else None)


def test_a_fault_of_the_machine_ends_the_search_and_its_trial_is_tried_again(
    searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    def unreadable(backbone: str) -> FeatureSet:
        if backbone == "large":
            raise OSError("disk full")
        return load(backbone)

    name = next_name()
    with pytest.raises(OSError, match="disk full"):
        search(searched, unreadable, folds, tmp_path, name)
    trials = search(searched, load, folds, tmp_path, name).result.trials
    assert len(trials) == NUM_TRIALS
    assert "OSError" not in str([trial.user_attrs for trial in trials])
    assert "large" in {trial.params["model.backbone"] for trial in trials}


def test_a_search_that_is_out_of_time_ranks_what_it_has(
    searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = apply_values(searched, {"search.timeout_sec": 1e-9})
    name = next_name()
    with pytest.raises(SearchError, match=r"no trial has ended within search\.timeout_sec; raise it"):
        search(late, load, folds, tmp_path, name)
    search(apply_values(searched, {"search.num_trials": 2}), load, folds, tmp_path, name)
    made = search(late, load, folds, tmp_path, name)
    assert len(made.result.trials) == 2
    assert "the search ends after search.timeout_sec, with 2 trials" in capsys.readouterr().out


def test_a_long_reason_is_logged_as_far_as_mlflow_takes_it(
    searched: Params, features: dict[str, FeatureSet], folds: list[np.ndarray], tmp_path: Path
) -> None:
    def load(backbone: str) -> FeatureSet:
        if backbone == "broken":
            raise RuntimeError("many lines\n" * 2000)
        return features[backbone]

    only = {"model": {"backbone": {"choices": ["broken"]}}}
    broken = apply_values(searched, {"search.space": only, "search.num_trials": 1, "search.max_failed_fraction": 1.0})
    name = next_name()
    with pytest.raises(SearchError, match="many lines"):
        search(broken, load, folds, tmp_path, name)
    (run,) = trial_runs(open_parent(broken, tmp_path, name)).values()
    assert run.info.status == "FAILED"
    assert run.data.tags["varml.reason"].startswith("RuntimeError: many lines")
