"""Whole searches on features that are made up, with their runs in a real MLflow store."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from planted import Planted

from varml.config import Params
from varml.config.space import searched_values
from varml.data.dataset import FeatureSet
from varml.search import study
from varml.search.objective import Objective
from varml.search.parallel.shared_study import Work
from varml.search.parallel.storage import open_storage
from varml.search.results import write_results
from varml.search.run import SearchResult, run_search
from varml.search.search_run import open_search_run
from varml.search.terms import Terms
from varml.tracking.runs import TrackedRun, children, tracked

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


def next_name() -> str:
    """Return the name of a study that no other test has."""
    return f"varml-{next(_numbers)}"


def terms_of(params: Params) -> Terms:
    return Terms("these videos", {name: name for name in ("small", "large", "broken")}, searched_values(params))


def open_study(folder: Path, name: str, params: Params) -> optuna.Study:
    return study.open_study(open_storage(folder).studies, name, params)


def open_parent(params: Params, folder: Path, name: str) -> TrackedRun:
    """Return the parent run of a study, as a search opens it."""
    return open_search_run(Work(params, folder, name, terms_of(params), Planted(params)), [])


def search(params: Params, load: Load, folds: list[np.ndarray], folder: Path, name: str | None = None) -> Made:
    return search_with(lambda: Objective(params, load, folds), params, folder, name)


def search_with(make_objective: Callable[[], Objective], params: Params, folder: Path, name: str | None = None) -> Made:
    work = Work(params, folder, name or next_name(), terms_of(params), make_objective)
    with tracked(open_search_run(work, [])) as parent:
        result = run_search(work, parent)
    return Made(result, parent, folder, work.name)


def trial_runs(parent: TrackedRun) -> dict[int, Any]:
    runs = [run for run in children(parent) if run.data.tags["varml.kind"] == "trial"]
    by_number = {int(run.data.tags["varml.trial"]): run for run in runs}
    assert len(by_number) == len(runs)
    return by_number


def written(made: Made, params: Params, folder: Path) -> dict[str, bytes]:
    names = ["best.yaml", "trials.csv", "oof.npz", "baseline.json", "search.json"]
    write_results(made.result, params, *(folder / name for name in names))
    return {name: (folder / name).read_bytes() for name in names}
