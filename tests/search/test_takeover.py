"""What a study of another space takes over from earlier ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from searching import open_study

from varml.config import Params
from varml.config.space import apply_values, parse_space
from varml.search.kept_predictions import keep_predictions, kept_predictions
from varml.search.space import suggest
from varml.search.study import LOSS, TAKEN_FROM, ended_trials
from varml.search.takeover import take_over
from varml.search.terms import Terms

BASE = {"model.backbone": "small", "model.fusion": "rgb", "model.attention.depth": 0, "train.lr": 0.01}
FEATURES = {"small": "a", "large": "b"}
FUSION = {"fusion": {"choices": ["rgb", "flow"]}}
LR = {"lr": {"type": "float", "low": 0.001, "high": 0.1}}


def space(model: dict[str, Any], train: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"model": model, "train": train or {}}


def terms(evaluation: str = "one", features: dict[str, str] | None = None, **base: Any) -> Terms:
    return Terms(evaluation, features or FEATURES, {**BASE, **{k.replace("__", "."): v for k, v in base.items()}})


class Studies:
    """Studies in one journal, each begun by taking over what it can from those before."""

    def __init__(self, folder: Path, params: Params) -> None:
        self.folder, self.params, self.names = folder, params, iter("abcdefgh")

    def open(self, space: dict[str, Any], of: Terms) -> optuna.Study:
        study = open_study(self.folder, next(self.names), self.params)
        take_over(study, of, parse_space(space)[0], self.folder)
        return study

    def filled(self, space: dict[str, Any], of: Terms, *tried: dict[str, Any]) -> optuna.Study:
        study, dimensions = self.open(space, of), parse_space(space)[0]
        for values in tried:
            study.enqueue_trial(values)
            trial = study.ask()
            suggest(trial, dimensions)
            trial.report(trial.number / 10, 0)
            trial.set_user_attr(LOSS, 1.0)
            keep_predictions(self.folder / study.study_name, trial.number, np.full((2, 2), trial.number / 10))
            study.tell(trial, trial.number / 10)
        return study


@pytest.fixture
def studies(tmp_path: Path, params: Params) -> Studies:
    return Studies(tmp_path, params)


def taken(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials if TAKEN_FROM in trial.user_attrs]


RGB, FLOW = ({"model.fusion": fusion, "train.lr": 0.02} for fusion in ("rgb", "flow"))


def test_trials_come_with_all_that_is_known_of_them(studies: Studies) -> None:
    first = studies.filled(space(FUSION, LR), terms(), RGB, FLOW)
    grown = studies.open(space({"fusion": {"choices": ["rgb", "flow", "late"]}}, LR), terms())
    for number, (one, other) in enumerate(zip(first.trials, grown.trials, strict=True)):
        assert other.params == one.params
        assert (other.number, other.state, other.value) == (number, one.state, one.value)
        assert other.intermediate_values == one.intermediate_values
        assert other.user_attrs == {**one.user_attrs, TAKEN_FROM: f"a #{number}"}
        oof = kept_predictions(studies.folder / grown.study_name, number)
        assert np.array_equal(oof, np.full((2, 2), number / 10))
    assert grown.trials[0].distributions["model.fusion"].choices == ("rgb", "flow", "late")


def test_trials_of_two_objectives_come_with_both_values(tmp_path: Path, params: Params) -> None:
    studies = Studies(tmp_path, apply_values(params, {"search.objectives": ["top1", "latency_ms"]}))
    dimensions, first = parse_space(space(FUSION, LR))[0], studies.open(space(FUSION, LR), terms())
    first.enqueue_trial(RGB)
    trial = first.ask()
    suggest(trial, dimensions)
    first.tell(trial, [0.75, 12.5])
    (taken_over,) = studies.open(space({"fusion": {"choices": ["rgb", "late"]}}, LR), terms()).trials
    assert (taken_over.params, taken_over.values) == (RGB, [0.75, 12.5])


def test_a_new_dimension_had_the_value_of_params(studies: Studies) -> None:
    studies.filled(space(FUSION, LR), terms(), RGB, FLOW)
    depth = {"attention": {"depth": {"type": "int", "low": 0, "high": 3}}}
    assert taken(studies.open(space({**FUSION, **depth}, LR), terms())) == [
        {**RGB, "model.attention.depth": 0},
        {**FLOW, "model.attention.depth": 0},
    ]


def test_a_dimension_that_left_keeps_the_trials_of_the_value_that_params_have(studies: Studies) -> None:
    studies.filled(space(FUSION, LR), terms(), RGB, FLOW)
    assert taken(studies.open(space({}, LR), terms())) == [{"train.lr": 0.02}]
    assert taken(studies.open(space({}, LR), terms(model__fusion="flow"))) == [{"train.lr": 0.02}]
    assert taken(studies.open(space({}, LR), terms(model__fusion="late"))) == []


@pytest.mark.parametrize(
    ("model", "lr", "expected"),
    [
        ({"fusion": {"choices": ["flow"]}}, (0.001, 0.1), [FLOW]),
        (FUSION, (0.02, 0.1), [RGB, FLOW]),
        (FUSION, (0.03, 0.1), []),
    ],
)
def test_what_the_space_offers_no_more_is_left(
    studies: Studies, model: dict[str, Any], lr: tuple[float, float], expected: list[dict[str, Any]]
) -> None:
    studies.filled(space(FUSION, LR), terms(), RGB, FLOW)
    narrower = {"lr": {"type": "float", "low": lr[0], "high": lr[1]}}
    assert taken(studies.open(space(model, narrower), terms())) == expected


def test_nothing_comes_from_another_evaluation_or_other_features(studies: Studies) -> None:
    backbone = {"backbone": {"choices": ["small", "large"]}}
    small, large = ({"model.backbone": name} for name in ("small", "large"))
    studies.filled(space(backbone), terms(), small, large)
    assert taken(studies.open(space(backbone), terms("another"))) == []
    assert taken(studies.open(space(backbone), terms(features={**FEATURES, "large": "changed"}))) == [small]
    assert taken(studies.open(space(backbone), terms(features={"large": "b"}))) == [large]


def test_what_params_say_beside_the_space_must_be_the_same(studies: Studies) -> None:
    studies.filled(space(FUSION), terms(), {"model.fusion": "rgb"})
    assert taken(studies.open(space(FUSION), terms(train__lr=0.05))) == []
    assert taken(studies.open(space(FUSION, LR), terms(train__lr=0.05))) == [{"model.fusion": "rgb", "train.lr": 0.01}]


def test_a_condition_decides_what_counts(studies: Studies) -> None:
    studies.filled(space(FUSION, LR), terms(), RGB, FLOW)
    conditional = {"lr": {**LR["lr"], "when": {"model.fusion": "flow"}}}
    # With rgb the learning rate would be that of params, 0.01.
    assert taken(studies.open(space(FUSION, conditional), terms())) == [FLOW]


def end(study: optuna.Study, dimensions: dict[str, Any], state: TrialState | None, **fixed: Any) -> None:
    study.enqueue_trial({path.replace("__", "."): value for path, value in fixed.items()})
    trial = study.ask()
    suggest(trial, dimensions)
    trial.report(0.5, 0)
    if state:
        study.tell(trial, 0.5 if state == TrialState.COMPLETE else None, state=state)


def test_failed_and_unfinished_trials_do_not_come_and_pruned_ones_with_the_best_that_they_were_worse_than(
    studies: Studies,
) -> None:
    first, dimensions = studies.open(space(FUSION, LR), terms()), parse_space(space(FUSION, LR))[0]
    end(first, dimensions, TrialState.COMPLETE, model__fusion="rgb", train__lr=0.02)
    end(first, dimensions, TrialState.PRUNED, model__fusion="flow", train__lr=0.02)
    end(first, dimensions, TrialState.FAIL, model__fusion="flow", train__lr=0.03)
    end(first, dimensions, None, model__fusion="flow", train__lr=0.04)
    both = ended_trials(studies.open(space({"fusion": {"choices": ["rgb", "flow", "late"]}}, LR), terms()))
    assert [(trial.state, trial.params) for trial in both] == [
        (TrialState.COMPLETE, RGB), (TrialState.PRUNED, FLOW),
    ]  # fmt: skip
    assert taken(studies.open(space({"fusion": {"choices": ["flow"]}}, LR), terms())) == []


def test_what_was_pruned_in_one_study_comes_from_where_it_is_complete(studies: Studies) -> None:
    dimensions = parse_space(space(FUSION, LR))[0]
    # Both were opened before either had a trial, so that neither has taken over from the other.
    one, other = studies.open(space(FUSION, LR), terms()), studies.open(space(FUSION, LR), terms())
    for study, rgb, flow in (one, "COMPLETE", "PRUNED"), (other, "PRUNED", "COMPLETE"):
        end(study, dimensions, TrialState[rgb], model__fusion="rgb", train__lr=0.02)
        end(study, dimensions, TrialState[flow], model__fusion="flow", train__lr=0.02)
    grown = studies.open(space({"fusion": {"choices": ["rgb", "flow", "late"]}}, LR), terms())
    assert [trial.state for trial in ended_trials(grown)] == [TrialState.COMPLETE] * 2


def test_whole_numbers_that_became_a_range_are_the_only_ones_that_come(studies: Studies) -> None:
    norm = {"max_grad_norm": {"type": "float", "low": 0.5, "high": 5}}
    base = terms(train__max_grad_norm=1.0)
    studies.filled(space({}, norm), base, {"train.max_grad_norm": 2.25}, {"train.max_grad_norm": 3.0})
    whole = {"max_grad_norm": {"type": "int", "low": 0, "high": 5}}
    assert taken(studies.open(space({}, whole), base)) == [{"train.max_grad_norm": 3}]


def test_each_comes_once_also_from_two_studies_and_after_an_interruption(
    studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = space({"fusion": {"choices": ["rgb", "flow", "late"]}}, LR)
    studies.filled(space(FUSION, LR), terms(), RGB, FLOW)
    studies.filled(space({"fusion": {"choices": ["rgb", "flow", "early"]}}, LR), terms())
    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "add_trial", _interrupting(optuna.Study.add_trial))
        with pytest.raises(KeyboardInterrupt):
            studies.open(wide, terms())
    cut_off = open_study(studies.folder, "c", studies.params)
    assert len(cut_off.trials) == 1
    for _ in range(2):
        take_over(cut_off, terms(), parse_space(wide)[0], studies.folder)
        assert taken(cut_off) == [RGB, FLOW]


def _interrupting(add_trial: Any) -> Any:
    calls = iter([None])

    def interrupted(study: optuna.Study, trial: Any) -> None:
        if next(calls, "second") == "second":
            raise KeyboardInterrupt
        add_trial(study, trial)

    return interrupted


def test_what_comes_later_to_an_earlier_study_is_not_fetched_again(studies: Studies) -> None:
    first = studies.filled(space(FUSION, LR), terms(), RGB)
    grown = studies.open(space({"fusion": {"choices": ["rgb", "flow", "late"]}}, LR), terms())
    first.add_trial(optuna.trial.create_trial(value=1.0, params=FLOW, distributions=first.trials[0].distributions))
    take_over(grown, terms(), parse_space(space(FUSION, LR))[0], studies.folder)
    assert taken(grown) == [RGB]
