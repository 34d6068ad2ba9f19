"""Searches of tiny and of unbalanced data: whatever there is, something valid is found, judged by a fitting metric."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from searching import search_with

from varml.config import Params
from varml.config.space import apply_values
from varml.config.views import PLAIN
from varml.data.dataset import FeatureSet
from varml.data.splits import make_folds
from varml.search.metric import with_metric
from varml.search.objective import Objective
from varml.training.served import choose_served


def of_sizes(sizes: Sequence[int], num_groups: int) -> FeatureSet:
    """Return features of classes of these sizes, which rgb tells apart, and a group for each few videos."""
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)
    rng, names = np.random.default_rng(0), [f"video{number:03d}" for number in range(len(labels))]
    rgb = rng.normal(size=(len(labels), 2, 4, 6)) + 3 * np.eye(6)[labels][:, None, None]
    streams = {"rgb": rgb.astype(np.float16), "flow": rng.normal(size=(len(labels), 2, 4, 6)).astype(np.float16)}
    groups = [f"group{number % num_groups}" for number in range(len(labels))]
    classes = [f"class{number}" for number in range(len(sizes))]
    return FeatureSet(names, {PLAIN: streams}, labels, groups, classes, mirror=list(range(len(sizes))))


@pytest.mark.parametrize(
    ("sizes", "num_groups", "metric"),
    [([5, 5, 5], 5, "top1"), ([100, 5], 7, "macro_f1"), ([15, 5], 4, "top1"), ([16, 5], 4, "macro_f1")],
)
def test_tiny_and_unbalanced_data_give_a_model_by_a_fitting_metric(
    sizes: list[int], num_groups: int, metric: str, searched: Params, project: Path, tmp_path: Path
) -> None:
    data = of_sizes(sizes, num_groups)
    space = {"model": {"fusion": {"choices": ["rgb", "flow"]}}}
    params = apply_values(
        searched,
        {"search.space": space, "search.num_trials": 2, "search.metric": "auto", "train.mirror": False,
         "search.pruner": "none", "train.num_epochs": 25, "train.batch_size": 8},
    )  # fmt: skip
    labels = [data.classes[label] for label in data.labels]
    params = with_metric(params, pd.DataFrame({"label": labels}))
    assert params.search.metric == metric
    folds, _ = make_folds(labels, data.groups, params.search.num_folds, params.seed)
    made = search_with(lambda: Objective(params, lambda backbone: data, folds), params, tmp_path)
    best = made.result.ranked[0]
    assert best.params["model.fusion"] == "rgb"
    assert best.value is not None
    assert best.value > 0.8
    oof = made.result.oof
    assert np.isfinite(oof.probabilities).all()
    served = choose_served(oof, metric, params.train)
    assert served.weights
    assert np.isfinite(served.temperature)
