"""A study of another space begins with every earlier trial that its own space could have drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from varml.config.space import Dimension, parse_space
from varml.search.kept_predictions import keep_predictions, kept_predictions
from varml.search.space import active_values, suggest
from varml.search.study import TAKEN_FROM
from varml.search.terms import Space, Terms, Values

# User attributes of a study.
TERMS = "terms"
SPACE = "space"
TAKEN_FROM_STUDIES = "taken_from_studies"  # their names; it is there once all trials have been taken over


def take_over(study: optuna.Study, terms: Terms, space: dict[str, Any], folder: Path) -> list[Space]:
    """Copy into ``study`` the trials of the journal's other studies that fit its terms and its ``space``, each once.

    Return the spaces that they come from. Their predictions come too, from ``folder``, where each study has one of its
    own. It is done once, and taken up again where it was interrupted. Failed trials are left: what is new may have
    mended them.
    """
    study.set_user_attr(TERMS, asdict(terms))
    study.set_user_attr(SPACE, space)
    if TAKEN_FROM_STUDIES not in study.user_attrs:
        _take_all(study, terms, parse_space(space)[0], folder)
    return [_space_of(study, name) for name in study.user_attrs[TAKEN_FROM_STUDIES]]


def _take_all(study: optuna.Study, terms: Terms, dimensions: Mapping[str, Dimension], folder: Path) -> None:
    have, names = [trial.params for trial in study.get_trials()], set()
    for earlier, trial in _earlier_trials(study):
        values = _fitting(Terms(**earlier.user_attrs[TERMS]), trial, terms, dimensions)
        if values is None:
            continue
        names.add(earlier.study_name)
        if values not in have:
            _add(study, earlier, trial, values, dimensions, folder)
            have.append(values)
    study.set_user_attr(TAKEN_FROM_STUDIES, sorted(names))


def _space_of(study: optuna.Study, name: str) -> Space:
    earlier = optuna.load_study(study_name=name, storage=study._storage)
    return Space(parse_space(earlier.user_attrs[SPACE])[0], Terms(**earlier.user_attrs[TERMS]).base)


def _earlier_trials(study: optuna.Study) -> Iterator[tuple[optuna.Study, FrozenTrial]]:
    storage = study._storage
    for name in optuna.get_all_study_names(storage):  # the earliest first
        earlier = optuna.load_study(study_name=name, storage=storage)
        if name != study.study_name and TERMS in earlier.user_attrs:
            for trial in earlier.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)):
                yield earlier, trial


def _fitting(theirs: Terms, trial: FrozenTrial, ours: Terms, dimensions: Mapping[str, Dimension]) -> Values | None:
    """Return the values that ``trial`` has in our space, or None where no trial of ours could be it."""
    had = ours.values_under(theirs, trial.params)
    if had is None:
        return None
    values = active_values(had, dimensions)
    offered = all(dimensions[path].offers(value) for path, value in values.items())
    return values if offered and {**ours.base, **values} == had else None


def _add(
    study: optuna.Study,
    earlier: optuna.Study,
    trial: FrozenTrial,
    values: Values,
    dimensions: Mapping[str, Dimension],
    folder: Path,
) -> None:
    fixed = FixedTrial(values)
    suggest(fixed, dimensions)
    oof = kept_predictions(folder / earlier.study_name, trial.number)
    if oof is not None:
        keep_predictions(folder / study.study_name, len(study.get_trials()), oof)
    study.add_trial(
        create_trial(
            state=trial.state,
            value=trial.value if trial.state == TrialState.COMPLETE else None,
            params=values,
            distributions=fixed.distributions,
            user_attrs={**trial.user_attrs, TAKEN_FROM: f"{earlier.study_name} #{trial.number}"},
            intermediate_values=trial.intermediate_values,
        )
    )
