"""The whole search on features made up here, with its runs in a real MLflow store."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.trial import TrialState

from varml.config import Params
from varml.config.space import apply_values, parse_space
from varml.data.dataset import FeatureSet
from varml.errors import SearchError
from varml.metrics.calibration import expected_calibration_error
from varml.search.objective import Objective
from varml.search.results import (
    best_content,
    fitted_values,
    ranked_params,
    read_best,
    trials_table,
    winner_params,
    write_results,
)
from varml.search.run import Search, SearchResult
from varml.search.search_run import open_search_run
from varml.search.study import ended_trials, open_study, ranked_trials
from varml.tracking.runs import TrackedRun, children, create_run, tracked
from varml.training.calibration import cross_calibrated
from varml.training.out_of_fold import read_oof

NUM_TRIALS = 8
SPACE = {
    "model": {
        "backbone": {"choices": ["small", "large", "broken"]},
        "fusion": {"choices": ["rgb", "flow"]},
        "width": {"choices": [8, 16]},
    },
    "train": {"lr": {"type": "float", "low": 5e-3, "high": 5e-2, "log": True}},
}
BROKEN = "these features are broken"

Load = Callable[[str], FeatureSet]
_numbers = itertools.count()


@dataclass
class Made:
    """A search with all that it left behind."""

    result: SearchResult
    parent: TrackedRun
    folder: Path
    name: str


@pytest.fixture(scope="module", autouse=True)
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a folder that a search takes for its project, with a store of its own."""
    root = tmp_path_factory.mktemp("project")
    (root / "data").mkdir()
    (root / "data" / "manifest.csv").write_text("video_id\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
        patch.delenv("MLFLOW_REGISTRY_URI", raising=False)
        patch.setenv("DVC_ROOT", str(root))
        patch.chdir(root)
        yield root


@pytest.fixture(scope="module")
def searched(params: Params) -> Params:
    return apply_values(
        params,
        {
            "search.space": SPACE,
            "search.num_trials": NUM_TRIALS,
            "search.sampler": "random",
            "search.num_ranked": 2,
            # Of their own, so that runs of one test are not those of another.
            "register.experiment": "searches",
        },
    )


@pytest.fixture(scope="module")
def load(features: dict[str, FeatureSet]) -> Load:
    def one(backbone: str) -> FeatureSet:
        if backbone == "broken":
            raise RuntimeError(BROKEN)
        return features[backbone]

    return one


def search(params: Params, load: Load, folds: list[np.ndarray], folder: Path, name: str | None = None) -> Made:
    name = name or f"varml-{next(_numbers)}"
    with tracked(open_search_run(name, params, [])) as parent:
        result = Search(params, Objective(params, load, folds), parent, folder, name).run()
    return Made(result, parent, folder, name)


@pytest.fixture(scope="module")
def made(
    project: Path, searched: Params, load: Load, folds: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Made:
    return search(searched, load, folds, tmp_path_factory.mktemp("studies"))


def trial_runs(parent: TrackedRun) -> dict[int, Any]:
    runs = [run for run in children(parent) if run.data.tags["varml.kind"] == "trial"]
    by_number = {int(run.data.tags["varml.trial"]): run for run in runs}
    assert len(by_number) == len(runs)
    return by_number


def written(made: Made, params: Params, folder: Path) -> dict[str, bytes]:
    names = ["best.yaml", "trials.csv", "oof.npz", "baseline.json"]
    write_results(made.result, params, *(folder / name for name in names))
    return {name: (folder / name).read_bytes() for name in names}


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


def test_an_interrupted_search_goes_on(
    made: Made, searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    loads = itertools.count()

    def interrupted(backbone: str) -> FeatureSet:
        if next(loads) == 4:  # the baseline is first
            raise KeyboardInterrupt
        return load(backbone)

    name = f"varml-{next(_numbers)}"
    with pytest.raises(KeyboardInterrupt):
        search(searched, interrupted, folds, tmp_path / "studies", name)
    study = open_study(tmp_path / "studies", name, searched)
    (running,) = study.get_trials(states=(TrialState.RUNNING,))
    parent = open_search_run(name, searched, [])
    assert len(trial_runs(parent)) == 3

    resumed = search(searched, load, folds, tmp_path / "studies", name)
    assert resumed.parent.run_id == parent.run_id
    assert len(resumed.result.trials) == NUM_TRIALS
    assert running.params in [trial.params for trial in resumed.result.trials[3:]]
    assert {trial.number for trial in resumed.result.trials} == set(trial_runs(resumed.parent))
    assert open_study(tmp_path / "studies", name, searched).get_trials(states=(TrialState.RUNNING,)) == []


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

    name = f"varml-{next(_numbers)}"
    run = open_search_run(name, searched, [])
    with pytest.raises(KeyboardInterrupt):
        search(searched, interrupted, folds, tmp_path, name)
    assert run.client.get_run(run.run_id).info.status == "KILLED"


# Searches that find nothing, or strange things.


def test_a_search_without_a_complete_trial_says_why(
    searched: Params, load: Load, folds: list[np.ndarray], features: dict[str, FeatureSet], tmp_path: Path
) -> None:
    only = {"model": {"backbone": {"choices": ["broken"]}}}
    broken = apply_values(searched, {"search.space": only, "search.num_trials": 2})
    with pytest.raises(SearchError, match=f"no trial is complete; 2 of 2 ended with: RuntimeError: {BROKEN}"):
        search(broken, load, folds, tmp_path)


def test_a_long_reason_is_logged_as_far_as_mlflow_takes_it(
    searched: Params, features: dict[str, FeatureSet], folds: list[np.ndarray], tmp_path: Path
) -> None:
    def load(backbone: str) -> FeatureSet:
        if backbone == "broken":
            raise RuntimeError("many lines\n" * 2000)
        return features[backbone]

    only = {"model": {"backbone": {"choices": ["broken"]}}}
    broken = apply_values(searched, {"search.space": only, "search.num_trials": 1})
    name = f"varml-{next(_numbers)}"
    with pytest.raises(SearchError, match="many lines"):
        search(broken, load, folds, tmp_path, name)
    (run,) = trial_runs(open_search_run(name, broken, [])).values()
    assert run.info.status == "FAILED"
    assert run.data.tags["varml.reason"].startswith("RuntimeError: many lines")


# What is written.


def test_best_yaml_names_the_ranked_and_gives_the_winners_params(made: Made, searched: Params, tmp_path: Path) -> None:
    written(made, searched, tmp_path)
    best = read_best(tmp_path / "best.yaml")
    assert best == best_content(made.result, searched)
    assert [entry["trial"] for entry in best["ranked"]] == [trial.number for trial in made.result.ranked]
    winner = winner_params(searched, best)
    chosen = made.result.ranked[0].params
    assert (winner.model.width, winner.train.lr) == (chosen["model.width"], chosen["train.lr"])
    assert winner.train.num_epochs == searched.train.num_epochs
    second, values = ranked_params(searched, best, 1), made.result.ranked[1].params
    assert (second.model.width, second.train.lr) == (values["model.width"], values["train.lr"])


def test_a_search_that_wrote_nothing_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="does not exist; run `dvc repro` first"):
        read_best(tmp_path / "best.yaml")


def test_trials_csv_has_a_row_per_trial_and_a_column_per_dimension(
    made: Made, searched: Params, tmp_path: Path
) -> None:
    written(made, searched, tmp_path)
    table = pd.read_csv(tmp_path / "trials.csv")
    dimensions = list(parse_space(SPACE)[0])
    assert list(table.columns) == ["number", "state", "value", "log_loss", "reason", *dimensions]
    assert table["number"].tolist() == list(range(NUM_TRIALS))
    # Optuna gives a pruned trial the last thing reported as its value; it is none.
    assert table.loc[table["state"] != "COMPLETE", "value"].isna().all()
    assert table.loc[table["state"] == "COMPLETE", "value"].notna().all()
    assert (table["reason"].notna() == (table["state"] == "FAIL")).all()


def test_oof_holds_the_predictions_of_the_ranked_in_their_order(
    made: Made, searched: Params, features: dict[str, FeatureSet], folds: list[np.ndarray], tmp_path: Path
) -> None:
    written(made, searched, tmp_path)
    oof = read_oof(tmp_path / "oof.npz")
    assert oof.video_ids == [f"video{number:02d}" for number in range(36)]
    assert oof.labels.tolist() == features["small"].labels.tolist()
    assert [positions.tolist() for positions in oof.positions] == [fold.tolist() for fold in folds]
    assert oof.probabilities.shape == (2, 36, 2)
    for trial, probabilities in zip(made.result.ranked, oof.probabilities, strict=True):
        score, negative_loss = oof.figures("top1", probabilities)
        assert (score, -negative_loss) == pytest.approx((trial.value, trial.user_attrs["log_loss"]))


def test_best_yaml_tells_how_well_each_is_calibrated(made: Made, searched: Params, tmp_path: Path) -> None:
    written(made, searched, tmp_path)
    oof = made.result.oof
    for entry, probabilities in zip(read_best(tmp_path / "best.yaml")["ranked"], oof.probabilities, strict=True):
        assert entry["ece"] == pytest.approx(expected_calibration_error(oof.labels, probabilities), abs=1e-6)
        calibrated = cross_calibrated(oof, probabilities)
        assert entry["ece_calibrated"] == pytest.approx(expected_calibration_error(oof.labels, calibrated), abs=1e-6)
        assert "fitted" not in entry


def test_the_weight_of_the_streams_goes_from_the_trial_to_best_yaml(
    searched: Params, load: Load, folds: list[np.ndarray], tmp_path: Path
) -> None:
    space = {"train": {"lr": {"type": "float", "low": 5e-3, "high": 5e-2, "log": True}}}
    late = apply_values(searched, {"model.fusion": "late", "search.space": space, "search.num_trials": 3})
    made = search(late, load, folds, tmp_path / "studies")
    written(made, late, tmp_path / "made")
    # A search that goes on says the same of the trials of an earlier process.
    again = search(late, load, folds, tmp_path / "studies", made.name)
    assert written(again, late, tmp_path / "again") == written(made, late, tmp_path / "made")
    best = read_best(tmp_path / "made" / "best.yaml")
    for rank, trial in enumerate(made.result.ranked):
        assert fitted_values(best, rank) == trial.user_attrs["fitted"] == best["ranked"][rank]["fitted"]
        # RGB tells the classes apart and flow is noise.
        assert 0.5 < fitted_values(best, rank)["rgb_weight"] <= 1
        oof = made.result.oof
        assert trial.value == pytest.approx(oof.figures("top1", oof.probabilities[rank]).score)


def test_writing_twice_gives_the_same_bytes(made: Made, searched: Params, tmp_path: Path) -> None:
    assert written(made, searched, tmp_path / "one") == written(made, searched, tmp_path / "two")


def test_what_is_written_holds_no_run_and_no_time(made: Made, searched: Params, project: Path, tmp_path: Path) -> None:
    content = b"".join(written(made, searched, tmp_path).values()).decode(errors="replace")
    for run in [made.parent.client.get_run(made.parent.run_id), *children(made.parent)]:
        assert run.info.run_id not in content
    for trial in made.result.trials:
        assert str(trial.datetime_start.year) + "-" not in content
    assert str(project) not in content
    assert list(trials_table(made.result.trials).columns)[:5] == ["number", "state", "value", "log_loss", "reason"]


def test_the_journal_holds_what_the_result_says(made: Made, searched: Params) -> None:
    study = open_study(made.folder, made.name, searched)
    assert [trial.params for trial in ended_trials(study)] == [trial.params for trial in made.result.trials]
    assert [trial.number for trial in ranked_trials(study)][:2] == [trial.number for trial in made.result.ranked]
