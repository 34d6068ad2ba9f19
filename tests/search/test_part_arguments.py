"""Arguments of samplers and pruners: what each registered one takes, refuses, and means."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from varml.config.part import Part
from varml.errors import ConfigError, UnknownNameError
from varml.ground.registry import Registry
from varml.search.pruners import canonical_pruner, pruners
from varml.search.samplers import canonical_sampler, make_sampler, samplers


@pytest.mark.parametrize(("registry", "name"), [(r, n) for r in (samplers, pruners) for n in r.names()])
def test_what_a_part_does_not_take_is_refused(registry: Registry[Any], name: str) -> None:
    assert registry[name].model_validate({}) == registry[name]()
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        registry[name].model_validate({"no_such_argument": 1})
    for argument in registry[name].model_fields:
        with pytest.raises(ValidationError):
            registry[name].model_validate({argument: "no such value"})


@pytest.mark.parametrize(
    ("registry", "name", "arguments", "rule"),
    [
        (samplers, "tpe", {"multivariate": False}, "group is for multivariate alone; set group: false too"),
        (samplers, "tpe", {"n_ei_candidates": 0}, "greater than or equal to 1"),
        (samplers, "cmaes", {"with_margin": True, "lr_adapt": True}, "with_margin and lr_adapt cannot go together"),
        (samplers, "cmaes", {"popsize": 1}, "greater than or equal to 2"),
        (samplers, "nsga2", {"population_size": 1}, "greater than or equal to 2"),
        (samplers, "nsga2", {"crossover_prob": 1.1}, "less than or equal to 1"),
        (pruners, "wilcoxon", {"p_threshold": 0}, "greater than 0"),
        (pruners, "wilcoxon", {"p_threshold": float("nan")}, "finite number"),
        (pruners, "hyperband", {"min_resource": 3, "max_resource": 2}, "max_resource must be at least min_resource, 3"),
        (pruners, "hyperband", {"reduction_factor": 1}, "greater than or equal to 2"),
        (pruners, "median", {"n_min_trials": 0}, "greater than or equal to 1"),
    ],
)
def test_a_value_that_breaks_a_rule(registry: Registry[Any], name: str, arguments: Any, rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        registry[name].model_validate(arguments)


@pytest.mark.parametrize("name", samplers.names())
def test_every_variant_that_is_allowed_can_be_made(name: str) -> None:
    for argument, field in samplers[name].model_fields.items():
        value = not field.default if isinstance(field.default, bool) else field.default
        beside = {"group": False} if argument == "multivariate" else {}
        make_sampler(Part(name=name, **{argument: value, **beside}), 2**32 - 1)


def test_what_cannot_be_made_is_an_error_with_its_reason() -> None:
    with pytest.raises(UnknownNameError, match=r"no sampler is named 'tpr'.*did you mean 'tpe'"):
        make_sampler(Part(name="tpr"), 0)
    with pytest.raises(ConfigError, match=r"search.sampler.seed = 3: follows from the seed of params.yaml"):
        make_sampler(Part(name="tpe", seed=3), 0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("tpe", "tpe"),
        ({"name": "tpe"}, "tpe"),
        ({"name": "tpe", "n_startup_trials": 8}, "tpe"),  # the default
        ({"name": "tpe", "n_startup_trials": 12.0}, {"name": "tpe", "n_startup_trials": 12}),
        ({"name": "nsga2", "swapping_prob": 0.4}, {"name": "nsga2", "swapping_prob": 0.4}),
    ],
)
def test_what_means_the_same_has_one_form(given: Any, expected: Any) -> None:
    assert canonical_sampler(Part.model_validate(given)) == expected


def test_a_pruner_has_one_form_too() -> None:
    assert canonical_pruner(Part(name="wilcoxon", p_threshold=0.1)) == "wilcoxon"
    assert canonical_pruner(Part(name="wilcoxon", p_threshold=0.05)) == {"name": "wilcoxon", "p_threshold": 0.05}
