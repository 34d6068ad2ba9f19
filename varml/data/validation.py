"""Which videos of train and val validate: the folds of a search, and of all that is done fold by fold for it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from varml.config.params import Params
from varml.data.splits import UNGROUPED, Positions, classes_without_training, make_folds

# What search and training may look at; the test split is read by evaluate alone.
TRAINING_SPLITS = ("train", "val")
UNTRAINED = "one fold holds all videos of {} in train and val, so they are validated by who has never seen their class"


def make_validation(rows: pd.DataFrame, params: Params) -> tuple[list[Positions], list[str]]:
    """Return the validation positions among the rows of train and val, and what the user should know of them."""
    if params.search.validation == "val":
        return [np.flatnonzero((rows["split"] == "val").to_numpy())], []
    folds, grouped = make_folds(rows["label"].tolist(), rows["group"].tolist(), params.search.num_folds, params.seed)
    warnings = [] if grouped else [UNGROUPED]
    alone = classes_without_training(rows["label"].tolist(), folds)
    if alone:
        warnings.append(UNTRAINED.format(", ".join(map(repr, alone))))
    return folds, warnings


def confirming_folds(folds: list[Positions], params: Params) -> list[Positions]:
    """Return those of the search's ``folds`` that validate what is confirmed end to end, the first ones.

    None where nothing is confirmed.
    """
    confirm = params.search.confirm
    return folds[: confirm.num_folds or len(folds)] if confirm.top_k else []
