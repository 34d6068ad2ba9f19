"""How a table of predictions holds probabilities: a column for each class, named after it."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from varml.metrics.classification import Scores

PREFIX = "p_"


def with_probabilities(table: pd.DataFrame, probabilities: Scores, classes: list[str]) -> pd.DataFrame:
    """Return ``table``, a row a video, with the probability of each of ``classes`` (N, K) behind its columns."""
    beside = pd.DataFrame(probabilities, columns=columns_of(classes), index=table.index)
    return pd.concat([table, beside], axis=1)


def columns_of(classes: Iterable[str]) -> list[str]:
    """Return the names of the columns of ``classes``."""
    return [PREFIX + name for name in classes]


def classes_of(table: pd.DataFrame) -> list[str]:
    """Return the classes whose probabilities ``table`` holds."""
    return [name.removeprefix(PREFIX) for name in table.columns if name.startswith(PREFIX)]
