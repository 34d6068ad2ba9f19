"""Which metric a search maximises where its params leave that to the data."""

from __future__ import annotations

import pandas as pd

from varml.config.objectives import AUTO
from varml.config.params import Params
from varml.config.space import apply_values

# The largest class has more than so many times the videos of the smallest: top-1 would hardly see that one.
MAX_IMBALANCE = 3


def with_metric(params: Params, rows: pd.DataFrame) -> Params:
    """Return ``params`` with a metric by name, where it is ``auto``: by how many of ``rows`` each class has.

    ``macro_f1`` where classes differ more than :data:`MAX_IMBALANCE` times in size, else ``top1``.
    """
    if params.search.metric != AUTO:
        return params
    sizes = rows["label"].value_counts()
    unbalanced = sizes.max() > MAX_IMBALANCE * sizes.min()
    metric = "macro_f1" if unbalanced else "top1"
    return apply_values(params, {"search.objectives": [metric, *params.search.objectives[1:]]})
