"""Which of Optuna's plots a search shows, and when one cannot be drawn; plotly and matplotlib draw each of them.

Both of Optuna's libraries have the same functions with the same arguments, so that a kind of plot is described once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial, TrialState

# More panels side by side have no room for the paths under them.
MAX_SLICES_IN_A_ROW = 3

Target = Callable[[FrozenTrial], float] | None
# A figure of plotly, or axes of matplotlib, from ``optuna.visualization`` or ``optuna.visualization.matplotlib``.
Draw = Callable[[Any], Any]


@dataclass(frozen=True)
class Objective:
    """One of the values of a study's trials; Optuna wants no ``target`` where it is the only one."""

    name: str
    target: Target
    values: tuple[float, ...]


class Axis(NamedTuple):
    """One of parallel axes: its label in full, which Optuna cuts off, and whether its values are whole numbers."""

    label: str
    whole: bool


@dataclass(frozen=True)
class Plot:
    """A plot of a study: ``draw`` makes it unless there is a ``reason`` why it cannot be made.

    ``name`` is that of its file. One that ``goes_on`` stands under the heading of the plot before it.
    """

    name: str
    title: str
    says: str
    draw: Draw
    reason: str | None = None
    axes: Sequence[Axis] = ()
    goes_on: bool = False


def plots_of(study: optuna.Study, metric: str, seed: int) -> list[Plot]:
    """Return the plots of ``study``, whose value is called ``metric`` where the study has no names of its own.

    ``seed`` is of the forest behind the importances, which then come out the same each time.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    objectives = _objectives(study, complete, metric)
    plots = [_pareto_front(study, objectives)] if len(objectives) == 2 else []
    for objective in objectives:
        plots += [
            _history(study, objective),
            _importances(study, complete, objective, seed),
            *_slices(study, complete, objective),
        ]
    return [*plots, _parallel(study, complete, objectives)]


def _objectives(study: optuna.Study, complete: list[FrozenTrial], metric: str) -> list[Objective]:
    if len(study.directions) == 1:
        return [Objective(metric, None, tuple(float(trial.values[0]) for trial in complete))]
    names = study.metric_names or [f"objective {place}" for place in range(len(study.directions))]
    return [_one_of_several(name, place, complete) for place, name in enumerate(names)]


def _one_of_several(name: str, place: int, complete: list[FrozenTrial]) -> Objective:
    return Objective(
        name, lambda trial: float(trial.values[place]), tuple(float(trial.values[place]) for trial in complete)
    )


def _named(stem: str, objective: Objective) -> str:
    return stem if objective.target is None else f"{stem}-{objective.name.replace(' ', '_').replace('/', '_')}"


def _history(study: optuna.Study, objective: Objective) -> Plot:
    alone = objective.target is None
    return Plot(
        _named("history", objective),
        f"History of {objective.name}",
        "Each complete trial in the order of their numbers" + (", and the best until then." if alone else "."),
        lambda library: library.plot_optimization_history(study, target=objective.target, target_name=objective.name),
        _none_complete(objective),
    )


def _importances(study: optuna.Study, complete: list[FrozenTrial], objective: Objective, seed: int) -> Plot:
    shared = [path for path in _paths(complete) if all(path in trial.params for trial in complete)]
    partly = [path for path in _paths(complete) if path not in shared]
    left_out = f" Left out, because only some trials have them: {', '.join(partly)}." if partly else ""

    def draw(library: Any) -> Any:
        # Optuna's own default, PED-ANOVA, compares the best tenth with the rest: of 20 trials that is two, and with
        # one dimension that mattered in made-up studies of 20 and 40 trials it named another one in each of six.
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        return library.plot_param_importances(
            study, evaluator=evaluator, params=shared, target=objective.target, target_name=objective.name
        )

    return Plot(
        _named("importances", objective),
        f"Importance of each dimension for {objective.name}",
        "The share of the variance of the values that a forest lays to each dimension (fANOVA). "
        f"With few trials it is a hint and no more.{left_out}",
        draw,
        _none_complete(objective) or _no_variance(objective) or _no_dimension(shared),
    )


def _slices(study: optuna.Study, complete: list[FrozenTrial], objective: Objective) -> Iterator[Plot]:
    paths = _paths(complete)
    num_rows = max(1, -(-len(paths) // MAX_SLICES_IN_A_ROW))
    for number, row in enumerate(np.array_split(np.asarray(paths, dtype=object), num_rows), start=1):
        yield _slice(study, objective, row.tolist(), number, num_rows)


def _slice(study: optuna.Study, objective: Objective, row: list[str], number: int, num_rows: int) -> Plot:
    return Plot(
        _named("slices", objective) + (f"-{number}" if num_rows > 1 else ""),
        f"{objective.name} by each dimension alone",
        "Each complete trial at its value of the dimension; later trials are darker.",
        lambda library: library.plot_slice(study, params=row, target=objective.target, target_name=objective.name),
        _none_complete(objective) or _no_dimension(row),
        goes_on=number > 1,
    )


def _parallel(study: optuna.Study, complete: list[FrozenTrial], objectives: list[Objective]) -> Plot:
    paths = _paths(complete)
    whole = {p for t in complete for p, of in t.distributions.items() if isinstance(of, IntDistribution) and not of.log}
    return Plot(
        "parallel",
        "All dimensions together",
        "A line for each complete trial, darker where it is better. None: the trial does not have the dimension.",
        lambda library: library.plot_parallel_coordinate(study, params=paths, target_name=objectives[0].name),
        _none_complete(objectives[0]) or _no_dimension(paths),
        [*(Axis(one.name, False) for one in objectives), *(Axis(path, path in whole) for path in paths)],
    )


def _pareto_front(study: optuna.Study, objectives: list[Objective]) -> Plot:
    names = [objective.name for objective in objectives]
    return Plot(
        "pareto",
        "Pareto front",
        "The trials than which none is better in one value and no worse in the other, among all complete ones.",
        lambda library: library.plot_pareto_front(study, target_names=names),
        _none_complete(objectives[0]),
    )


def _paths(complete: list[FrozenTrial]) -> list[str]:
    # In Optuna's own order, so that labels can be put beside what it has drawn.
    return sorted({path for trial in complete for path in trial.params})


def _none_complete(objective: Objective) -> str | None:
    return None if objective.values else "no trial is complete"


def _no_variance(objective: Objective) -> str | None:
    if len(objective.values) < 2:
        return "there is one complete trial, and it takes two"
    return None if len(set(objective.values)) > 1 else "all complete trials have the same value"


def _no_dimension(paths: Sequence[str]) -> str | None:
    return None if paths else "no dimension is in all complete trials"
