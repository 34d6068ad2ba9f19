"""Searches that weigh latency beside the metric: a slower backbone that is right, and a fast one that guesses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from planted import FAST, SLOW, FastAndSlow
from searching import Made, next_name, search_with, trial_runs, written

from varml.config import Params
from varml.config.space import apply_values
from varml.errors import SearchError
from varml.search.results import allowed_training, best_content, read_best
from varml.search.study import by_rank, latency_of, load_study, value_of

NUM_TRIALS = 6
SPACE = {
    "model": {"backbone": {"choices": [FAST, SLOW]}, "width": {"choices": [8, 16]}},
    "train": {"lr": {"type": "float", "low": 5e-3, "high": 5e-2, "log": True}},
}


@pytest.fixture(scope="module")
def two(searched: Params) -> Params:
    return apply_values(
        searched,
        {
            "search.objectives": ["top1", "latency_ms"],
            "search.pruner": "wilcoxon",
            "search.sampler": "nsga2",
            "search.space": SPACE,
            "search.num_trials": NUM_TRIALS,
            "model.backbone": SLOW,
            "frames.num_segments": 2,
            "features.image_size_px": 64,
        },
    )


def make(params: Params, folder: Path, name: str | None = None) -> Made:
    return search_with(FastAndSlow(params), params, folder, name)


@pytest.fixture(scope="module")
def weighed(two: Params, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(two, tmp_path_factory.mktemp("weighed"))


def latencies(made: Made, backbone: str) -> list[float]:
    return [trial.values[1] for trial in made.result.trials if trial.params["model.backbone"] == backbone]


def between(made: Made) -> float:
    """Return a budget that the fast backbone keeps to, and the slow one does not."""
    slowest, fastest = max(latencies(made, FAST)), min(latencies(made, SLOW))
    assert slowest < fastest
    return (slowest + fastest) / 2


def test_the_front_has_the_fast_and_the_good_and_nothing_is_stopped(weighed: Made) -> None:
    assert [trial.state.name for trial in weighed.result.trials] == ["COMPLETE"] * NUM_TRIALS
    front = weighed.result.front
    assert {trial.params["model.backbone"] for trial in front} == {FAST, SLOW}
    assert min(latencies(weighed, FAST)) in [latency_of(trial) for trial in front]
    assert weighed.result.ranked[0].params["model.backbone"] == SLOW
    for one in weighed.result.trials:
        dominated = any(
            value_of(other) >= value_of(one) and other.values[1] <= one.values[1] and other.values != one.values
            for other in weighed.result.trials
        )
        assert (one.number in [trial.number for trial in front]) is not dominated


def test_best_yaml_trials_csv_and_metrics_tell_latency_and_front(weighed: Made, two: Params, tmp_path: Path) -> None:
    metrics = json.loads(written(weighed, two, tmp_path)["search.json"])
    best, table = read_best(tmp_path / "best.yaml"), pd.read_csv(tmp_path / "trials.csv")
    front = [trial.number for trial in weighed.result.front]
    for entry, trial in zip(best["ranked"], weighed.result.ranked, strict=True):
        assert (entry["latency_ms"], entry["pareto"]) == (trial.values[1], trial.number in front)
        assert entry["value"] == pytest.approx(trial.values[0])
    assert [entry["latency_ms"] for entry in best["pareto_front"]] == sorted(
        trial.values[1] for trial in weighed.result.front
    )
    assert {entry["trial"] for entry in best["pareto_front"]} == set(front)
    assert "latency_budget_ms" not in best
    assert list(table.columns)[:5] == ["number", "state", "value", "latency_ms", "pareto"]
    assert table["latency_ms"].tolist() == [trial.values[1] for trial in weighed.result.trials]
    assert table.loc[table["pareto"], "number"].tolist() == front
    assert metrics["latency_ms"] == weighed.result.ranked[0].values[1]
    assert allowed_training(two, best) == two.train


def test_runs_in_mlflow_have_both(weighed: Made) -> None:
    runs = trial_runs(weighed.parent)
    for trial in weighed.result.trials:
        metrics = runs[trial.number].data.metrics
        assert [metrics["value"], metrics["latency_ms"]] == trial.values
        assert f"in {trial.values[1]:.1f} ms" in runs[trial.number].info.run_name


def test_a_budget_picks_the_best_that_keeps_to_it_without_another_trial(
    weighed: Made, two: Params, tmp_path: Path
) -> None:
    budget = between(weighed)
    asked = apply_values(two, {"search.latency_budget_ms": budget})
    made = make(asked, weighed.folder, weighed.name)
    assert [trial.number for trial in made.result.trials] == [trial.number for trial in weighed.result.trials]
    fast = [trial for trial in weighed.result.trials if trial.params["model.backbone"] == FAST]
    assert [trial.number for trial in made.result.ranked] == [trial.number for trial in by_rank(fast)[:2]]
    best = best_content(made.result, asked)
    assert best["latency_budget_ms"] == budget
    assert {entry["trial"] for entry in best["pareto_front"]} == {trial.number for trial in weighed.result.front}
    # Several members would take longer than one.
    assert allowed_training(asked, best).ensemble.max_members == 1 < two.train.ensemble.max_members


def test_a_budget_that_nothing_keeps_to_is_an_error_with_the_fastest(weighed: Made, two: Params) -> None:
    fastest = min(weighed.result.trials, key=lambda trial: trial.values[1])
    asked = apply_values(two, {"search.latency_budget_ms": fastest.values[1] / 2})
    message = rf"the fastest, number {fastest.number}, takes {fastest.values[1]:g} ms and reached .* raise the budget"
    with pytest.raises(SearchError, match=message):
        make(asked, weighed.folder, weighed.name)
    assert len(load_study(weighed.folder, weighed.name).trials) == NUM_TRIALS


def test_a_search_that_goes_on_ends_with_the_bytes_of_one_that_was_not_interrupted(
    weighed: Made, two: Params, tmp_path: Path
) -> None:
    name = next_name()
    first = make(apply_values(two, {"search.num_trials": 3}), tmp_path / "studies", name)
    assert len(first.result.trials) == 3
    whole = make(two, tmp_path / "studies", name)
    assert written(whole, two, tmp_path / "whole") == written(weighed, two, tmp_path / "straight")


def test_a_pruner_that_is_set_aside_is_told(weighed: Made, two: Params, capsys: pytest.CaptureFixture[str]) -> None:
    said = "search.pruner wilcoxon is set aside"
    make(two, weighed.folder, weighed.name)
    assert said in capsys.readouterr().out
    make(apply_values(two, {"search.pruner": "none"}), weighed.folder, weighed.name)
    assert "set aside" not in capsys.readouterr().out


def test_two_workers_share_what_was_measured(weighed: Made, two: Params, project: Path, tmp_path: Path) -> None:
    memory = project / ".varml" / "latency.json"
    memory.unlink()
    made = make(apply_values(two, {"search.num_workers": 2}), tmp_path)
    assert len(made.result.trials) == NUM_TRIALS
    known = json.loads(memory.read_text()).values()
    backbones = [entry["of"]["backbone"] for entry in known if "backbone" in entry["of"]]
    assert sorted(backbones) == sorted([FAST, SLOW])
    of: dict[tuple[str, int], set[float]] = {}
    for trial in made.result.trials:
        of.setdefault((trial.params["model.backbone"], trial.params["model.width"]), set()).add(trial.values[1])
    assert all(len(figures) == 1 for figures in of.values())
    alone = make(two, tmp_path / "alone")
    assert {tuple(trial.values) for trial in alone.result.trials} & {tuple(t.values) for t in made.result.trials}
