"""What is stored of the videos of a split, as training, search and evaluation read it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from varml.config.params import Params
from varml.data.dataset import FeatureSet, load_feature_set
from varml.data.manifest import class_names
from varml.data.mirror_pairs import mirrored_positions
from varml.data.validation import TRAINING_SPLITS
from varml.flow.store import flow_files
from varml.models.feature_files import feature_files
from varml.training.clips import ClipSet
from varml.video.frames import frames_files


def load_features(
    manifest: pd.DataFrame,
    params: Params,
    backbone: str,
    splits: tuple[str, ...] = TRAINING_SPLITS,
    *,
    mirrored: bool = False,
    root: Path = Path(),
) -> FeatureSet:
    """Return the features of the videos of ``splits`` for one backbone, in the order of the manifest.

    Those of the videos in a mirror come along where ``mirrored``. The project is at ``root``.
    """
    rows, classes = manifest[manifest["split"].isin(splits)], class_names(manifest)
    files = feature_files(rows, params, backbone, root)
    if not mirrored:
        return load_feature_set(rows, files, classes)
    mirrored_files = feature_files(rows, params, backbone, root, mirrored=True)
    return load_feature_set(rows, files, classes, mirrored_files, mirrored_positions(params.data.mirror_pairs, classes))


def list_clips(
    manifest: pd.DataFrame, params: Params, splits: tuple[str, ...] = TRAINING_SPLITS, *, root: Path = Path()
) -> ClipSet:
    """Return where the stored frames and flow of the same videos lie, in the same order."""
    rows, classes = manifest[manifest["split"].isin(splits)], class_names(manifest)
    return ClipSet(
        frames=frames_files(rows, params.frames, root),
        flow=flow_files(rows, params.frames, params.flow, root),
        labels=[classes.index(label) for label in rows["label"]],
        mirror=mirrored_positions(params.data.mirror_pairs, classes),
        bound_px=params.flow.bound_px,
    )
