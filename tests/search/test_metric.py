"""Which metric is searched for where params leave it to the data."""

from __future__ import annotations

import pandas as pd
import pytest

from varml.config import Params
from varml.config.space import apply_values
from varml.search.metric import with_metric


def rows(*sizes: int) -> pd.DataFrame:
    return pd.DataFrame({"label": [f"class{k}" for k, size in enumerate(sizes) for _ in range(size)]})


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((10, 10), "top1"), ((30, 10), "top1"), ((31, 10), "macro_f1"), ((31, 20, 10), "macro_f1"), ((1, 20), "macro_f1")],
)
def test_classes_of_very_unequal_size_count_alike(shipped: Params, sizes: tuple[int, ...], expected: str) -> None:
    chosen = with_metric(shipped, rows(*sizes))
    assert chosen.search.metric == expected
    assert apply_values(chosen, {"search.objectives": ["auto"]}) == shipped


@pytest.mark.parametrize("metric", ["top1", "mean_class_accuracy", "macro_f1"])
def test_a_metric_that_is_named_stays(shipped: Params, metric: str) -> None:
    named = apply_values(shipped, {"search.objectives": [metric]})
    assert with_metric(named, rows(1, 99)) is named
