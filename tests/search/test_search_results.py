"""What a search writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from searching import NUM_TRIALS, SPACE, Load, Made, open_study, search, written

from varml.config import Params
from varml.config.space import apply_values, parse_space
from varml.data.dataset import FeatureSet
from varml.errors import SearchError
from varml.metrics.calibration import expected_calibration_error
from varml.search.results import (
    best_content,
    fitted_values,
    ranked_params,
    read_best,
    trials_table,
    winner_params,
)
from varml.search.study import ended_trials, ranked_trials
from varml.tracking.runs import children
from varml.training.calibration import cross_calibrated
from varml.training.out_of_fold import OutOfFold, read_oof

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


def test_best_yaml_tells_whether_validation_tells_the_first_from_the_second(made: Made, searched: Params) -> None:
    labels = np.zeros(8, dtype=np.int64)
    probabilities = np.zeros((2, 8, 2), dtype=np.float32)
    probabilities[0, :, 0] = probabilities[1, :, 1] = 1
    probabilities[1, :2] = probabilities[0, :2]
    oof = OutOfFold(list("abcdefgh"), labels, np.arange(8) % 2, probabilities)
    content = best_content(replace(made.result, oof=oof), searched)
    assert content["p_second"] == pytest.approx(2 / 2**6, abs=1e-6)  # six of eight are known to the first alone
    alone = replace(made.result, ranked=made.result.ranked[:1], oof=replace(oof, probabilities=probabilities[:1]))
    assert "p_second" not in best_content(alone, searched)


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


def test_the_metrics_are_those_of_all_trials_and_of_the_winner(made: Made, searched: Params, tmp_path: Path) -> None:
    metrics = json.loads(written(made, searched, tmp_path)["search.json"])
    states = [trial.state.name for trial in made.result.trials]
    assert metrics == {
        "value": pytest.approx(made.result.ranked[0].value),
        "metric": "top1",
        "baseline": pytest.approx(made.result.baseline.score),
        "num_trials": NUM_TRIALS,
        "num_complete": states.count("COMPLETE"),
        "num_pruned": states.count("PRUNED"),
        "num_fail": states.count("FAIL"),
        "winner": made.result.ranked[0].params,
    }


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
