"""The stored features of a split, as training, search and evaluation read them."""

from __future__ import annotations

import pandas as pd

from varml.config.params import Params
from varml.data.dataset import FeatureSet, load_feature_set
from varml.data.manifest import class_names
from varml.models.feature_files import feature_files

# What search and training may look at; the test split is read by evaluate alone.
TRAINING_SPLITS = ("train", "val")


def load_features(
    manifest: pd.DataFrame, params: Params, backbone: str, splits: tuple[str, ...] = TRAINING_SPLITS
) -> FeatureSet:
    """Return the features of the videos of ``splits`` for one backbone, in the order of the manifest."""
    rows = manifest[manifest["split"].isin(splits)]
    return load_feature_set(rows, feature_files(rows, params, backbone), class_names(manifest))
