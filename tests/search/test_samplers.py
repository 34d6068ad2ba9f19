"""One contract for every sampler that is registered."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from pydantic.fields import FieldInfo
from searching import open_study

from varml.config import Params
from varml.config.part import Part
from varml.config.space import Dimension, active_values, apply_values, parse_space
from varml.search.parallel.storage import experimental
from varml.search.pruners import make_pruner, pruners
from varml.search.samplers import make_sampler, samplers
from varml.search.space import suggest
from varml.search.study import enqueue_first, seed_sampler

NUM_TRIALS = 18  # every sampler learns by then
# Of all kinds, with an end that each lies inside of; the two heads are there under one choice of another dimension.
SPACE = {
    "model": {
        "fusion": {"choices": ["rgb", "flow", "concat"]},
        "attention": {
            "depth": {"type": "int", "low": 0, "high": 3},
            "num_heads": {"choices": [1, 2, 4], "when": {"model.fusion": "concat"}},
        },
        "stream_dropout": {"type": "float", "low": 0, "high": 0.4, "step": 0.1, "when": {"model.fusion": "concat"}},
    },
    "train": {
        "lr": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
        "mirror": {"choices": [True, False]},
    },
}
DIMENSIONS: dict[str, Dimension] = parse_space(SPACE)[0]
WAVE = [{"model.fusion": "rgb", "model.attention.depth": 0, "train.lr": 3e-3, "train.mirror": True}]


@pytest.fixture(params=samplers.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def chosen(params: Params, name: str) -> Params:
    return apply_values(params, {"search.sampler": name, "search.space": SPACE, "search.pruner": "none"})


def score(values: dict[str, Any]) -> float:
    """Return a figure that has its highest, 1, at one value of each dimension."""
    far = (np.log10(values["train.lr"]) + 2) ** 2 + (values["model.attention.depth"] - 2) ** 2 / 4
    return float((values["model.fusion"] == "concat") - far + values.get("model.stream_dropout", 0) / 10)


def run(study: optuna.Study, params: Params, num_trials: int) -> list[dict[str, Any]]:
    """Run so many trials more, each with its sampler as a search makes it, and return their values."""
    drawn = []
    for _ in range(num_trials):
        seed_sampler(study, params)
        trial = study.ask()
        values = suggest(trial, DIMENSIONS)
        study.tell(trial, score(values))
        drawn.append(values)
    return drawn


@pytest.fixture
def study(tmp_path: Path, chosen: Params) -> optuna.Study:
    return open_study(tmp_path / "studies", "one", chosen)


def test_values_lie_in_the_space(study: optuna.Study, chosen: Params) -> None:
    drawn = run(study, chosen, NUM_TRIALS)
    for values in drawn:
        assert values == active_values(values, DIMENSIONS)
        assert set(values) >= {"model.fusion", "model.attention.depth", "train.lr", "train.mirror"}
        assert ("model.attention.num_heads" in values) == (values["model.fusion"] == "concat")
        assert all(DIMENSIONS[path].offers(value) for path, value in values.items())
        assert type(values["model.attention.depth"]) is int
        apply_values(chosen, values)
    assert len({repr(values) for values in drawn}) > NUM_TRIALS / 2  # a genetic algorithm keeps some as they are


def test_equal_seeds_draw_the_same_and_others_do_not(tmp_path: Path, chosen: Params) -> None:
    one, same, other = (
        run(open_study(tmp_path / folder, "one", chosen), apply_values(chosen, {"seed": seed}), NUM_TRIALS)
        for folder, seed in (("one", 0), ("same", 0), ("other", 7))
    )
    assert one == same
    assert one[0] != other[0]


def test_what_a_sampler_has_learnt_is_drawn_from_by_the_seed(
    tmp_path: Path, study: optuna.Study, chosen: Params
) -> None:
    run(study, chosen, NUM_TRIALS)
    drawn = []
    for seed in range(5):
        copy = shutil.copytree(tmp_path / "studies", tmp_path / f"seed{seed}")
        seeded = apply_values(chosen, {"seed": seed})
        (values,) = run(open_study(copy, "one", seeded), seeded, 1)
        drawn.append(values["train.lr"])
    assert len(set(drawn)) > 1


def test_a_study_that_is_opened_anew_for_each_trial_goes_on_as_if_it_had_not_been(
    tmp_path: Path, study: optuna.Study, chosen: Params
) -> None:
    whole = run(study, chosen, NUM_TRIALS)
    parts = [run(open_study(tmp_path / "parts", "one", chosen), chosen, 1) for _ in range(NUM_TRIALS)]
    assert [values for (values,) in parts] == whole
    assert whole[1] != whole[0]


def test_failed_pruned_and_queued_trials_are_no_obstacle(study: optuna.Study, chosen: Params) -> None:
    enqueue_first(study, WAVE)
    for number in range(NUM_TRIALS):
        seed_sampler(study, chosen)
        trial = study.ask()
        values = suggest(trial, DIMENSIONS)
        assert number or values == WAVE[0]
        if number % 3 == 1:
            study.tell(trial, state=TrialState.FAIL)
        elif number % 3 == 2:
            trial.report(score(values), 0)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, score(values))
    assert all(DIMENSIONS[path].offers(value) for trial in study.trials for path, value in trial.params.items())


@pytest.mark.parametrize("pruner", pruners.names())
def test_it_draws_beside_every_pruner(tmp_path: Path, chosen: Params, pruner: str) -> None:
    """Hyperband shows a sampler a study of its own making."""
    study = open_study(tmp_path, "one", apply_values(chosen, {"search.pruner": pruner}))
    assert type(study.pruner) is type(make_pruner(apply_values(chosen, {"search.pruner": pruner})))
    drawn = run(study, chosen, 12)
    assert all(DIMENSIONS[path].offers(value) for values in drawn for path, value in values.items())


@pytest.fixture(scope="module")
def by_chance() -> list[list[float]]:
    """Scores of forty draws by chance, and that many times."""
    studies = [optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)) for seed in range(30)]
    return [[score(suggest(study.ask(), DIMENSIONS)) for _ in range(40)] for study in studies]


def test_forty_trials_are_not_worse_than_chance(
    study: optuna.Study, chosen: Params, name: str, by_chance: list[list[float]]
) -> None:
    scores = [score(values) for values in run(study, chosen, 40)]
    assert max(scores) >= np.quantile([max(some) for some in by_chance], 0.1)
    # What is learnt shows in the later ones.
    assert name == "random" or np.mean(scores[-15:]) > np.mean(by_chance)


def test_arguments_reach_optuna(name: str) -> None:
    """Each argument is one of Optuna's, and no seed is among them."""
    fields = samplers[name].model_fields
    assert "seed" not in fields
    for argument, field in fields.items():
        beside = {"group": False} if argument == "multivariate" else {}
        part = Part(name=name, **{argument: another(field), **beside})
        assert settings(make_sampler(part, 0)) != settings(make_sampler(Part(name=name, **beside), 0)), argument


def another(field: FieldInfo) -> Any:
    """Return a value that is not the default."""
    if field.default is None:
        return 5 if "int" in str(field.annotation) else 0.5
    if isinstance(field.default, bool):
        return not field.default
    return field.default * 2 if isinstance(field.default, int) else field.default / 2


def settings(sampler: object) -> dict[str, Any]:
    """Return the plain values that an object of Optuna has, and those of the objects in it."""
    found: dict[str, Any] = {}
    for key, value in vars(sampler).items():
        if value is None or isinstance(value, (bool, int, float, str)):
            found[key] = value
        elif type(value).__module__.startswith("optuna") and hasattr(value, "__dict__"):
            found[key] = settings(value)
    return found


def test_the_default_sampler_is_as_it_was_before_it_had_arguments(shipped: Params) -> None:
    made = make_sampler(shipped.search.sampler, 3)
    with experimental():
        same = optuna.samplers.TPESampler(seed=3, n_startup_trials=8, multivariate=True, group=True)
    studies = [optuna.create_study(sampler=sampler, direction="maximize") for sampler in (made, same)]
    drawn = []
    for study in studies:
        for _ in range(NUM_TRIALS):
            trial = study.ask()
            study.tell(trial, score(suggest(trial, DIMENSIONS)))
        drawn.append([trial.params for trial in study.trials])
    assert drawn[0] == drawn[1]


def test_a_sampler_draws_for_two_objectives_or_says_that_it_does_not(tmp_path: Path, chosen: Params, name: str) -> None:
    two = apply_values(chosen, {"search.objectives": ["top1", "latency_ms"], "search.pruner": "wilcoxon"})
    study = open_study(tmp_path / "studies", "two", two)

    def run_one() -> None:
        seed_sampler(study, two)
        trial = study.ask()
        values = suggest(trial, DIMENSIONS)
        study.tell(trial, [score(values), values["model.attention.depth"] + 1.0])

    if not samplers[name].several_objectives:
        with pytest.raises(ValueError, match="multi-objective"):
            run_one()
        return
    for _ in range(NUM_TRIALS):
        run_one()
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["top1", "latency_ms"]
    assert len({repr(trial.params) for trial in study.trials}) > NUM_TRIALS / 2
