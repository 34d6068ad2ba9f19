"""A study of another space begins with every earlier trial that its own space could have drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import optuna
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from varml.config.space import Dimension, active_values
from varml.search.kept_predictions import keep_predictions, kept_predictions
from varml.search.space import suggest
from varml.search.study import TAKEN_FROM, ranked_trials
from varml.search.terms import Terms, Values

# User attributes of a study.
TERMS = "terms"
DONE = "has_taken_over"


def take_over(study: optuna.Study, terms: Terms, dimensions: Mapping[str, Dimension], folder: Path) -> None:
    """Copy into ``study`` the trials of the journal's other studies that fit its terms and its space, each once.

    Their predictions come too, from ``folder``, where each study has one of its own. It is done once, and taken up
    again where it was interrupted. Failed trials are left: what is new may have mended them. A pruned trial comes only
    with the best of its study, which it was worse than.
    """
    study.set_user_attr(TERMS, asdict(terms))
    if study.user_attrs.get(DONE):
        return
    have = [trial.params for trial in study.get_trials()]
    found = [one for earlier in _others(study) for one in _fitting_trials(earlier, terms, dimensions)]
    # The complete ones first: what was pruned in one study may be complete in another.
    for earlier, trial, values in sorted(found, key=lambda one: one[1].state != TrialState.COMPLETE):
        if values not in have:
            _add(study, earlier, trial, values, dimensions, folder)
            have.append(values)
    study.set_user_attr(DONE, True)


def _others(study: optuna.Study) -> Iterator[optuna.Study]:
    for name in optuna.get_all_study_names(study._storage):  # the earliest first
        earlier = optuna.load_study(study_name=name, storage=study._storage)
        if name != study.study_name and TERMS in earlier.user_attrs:
            yield earlier


def _fitting_trials(
    earlier: optuna.Study, terms: Terms, dimensions: Mapping[str, Dimension]
) -> Iterator[tuple[optuna.Study, FrozenTrial, Values]]:
    theirs, ranked = Terms(**earlier.user_attrs[TERMS]), ranked_trials(earlier)
    best_fits = bool(ranked) and _fitting(theirs, ranked[0], terms, dimensions) is not None
    states = (TrialState.COMPLETE, TrialState.PRUNED) if best_fits else (TrialState.COMPLETE,)
    for trial in earlier.get_trials(states=states):
        values = _fitting(theirs, trial, terms, dimensions)
        if values is not None:
            yield earlier, trial, values


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
            values=trial.values if trial.state == TrialState.COMPLETE else None,
            params=values,
            distributions=fixed.distributions,
            user_attrs={**trial.user_attrs, TAKEN_FROM: f"{earlier.study_name} #{trial.number}"},
            intermediate_values=trial.intermediate_values,
        )
    )
