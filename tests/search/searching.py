"""Whole searches on features that are made up, with their runs in a real MLflow store."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from varml.config import Params
from varml.config.space import searched_values
from varml.data.dataset import FeatureSet
from varml.search.objective import Objective
from varml.search.results import write_results
from varml.search.run import Search, SearchResult
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


def search(params: Params, load: Load, folds: list[np.ndarray], folder: Path, name: str | None = None) -> Made:
    name = name or next_name()
    with tracked(open_search_run(name, params, [])) as parent:
        result = Search(params, Objective(params, load, folds), parent, folder, name, terms_of(params)).run()
    return Made(result, parent, folder, name)


def trial_runs(parent: TrackedRun) -> dict[int, Any]:
    runs = [run for run in children(parent) if run.data.tags["varml.kind"] == "trial"]
    by_number = {int(run.data.tags["varml.trial"]): run for run in runs}
    assert len(by_number) == len(runs)
    return by_number


def written(made: Made, params: Params, folder: Path) -> dict[str, bytes]:
    names = ["best.yaml", "trials.csv", "oof.npz", "baseline.json", "search.json"]
    write_results(made.result, params, *(folder / name for name in names))
    return {name: (folder / name).read_bytes() for name in names}
