"""What is stored of the videos of a split, as training, search and evaluation read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from varml.config.params import Params
from varml.config.space import searched_views
from varml.config.views import View, list_views, stored_views
from varml.data.dataset import FeatureSet, StreamArrays, load_feature_arrays
from varml.data.manifest import class_names
from varml.data.mirror_pairs import mirrored_positions
from varml.data.validation import TRAINING_SPLITS
from varml.flow.store import flow_files
from varml.models.feature_files import feature_files
from varml.models.views import steps_of_clip
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

    They are seen in the views of ``params.views``, and where ``mirrored`` in a mirror too. The project is at ``root``.
    Raises StoreError where a file is missing or damaged.
    """
    return _load(manifest, params, backbone, splits, list_views(params.views, mirrored), root)


def load_searched(
    manifest: pd.DataFrame,
    params: Params,
    backbone: str,
    splits: tuple[str, ...] = TRAINING_SPLITS,
    *,
    root: Path = Path(),
) -> FeatureSet:
    """Return the same features in all views that a trial may see, whose own are :meth:`FeatureSet.seen`."""
    return _load(manifest, params, backbone, splits, searched_views(params), root)


def _load(
    manifest: pd.DataFrame, params: Params, backbone: str, splits: tuple[str, ...], views: Sequence[View], root: Path
) -> FeatureSet:
    rows, classes = manifest[manifest["split"].isin(splits)], class_names(manifest)
    return FeatureSet(
        video_ids=rows["video_id"].tolist(),
        features=load_views(rows, params, backbone, views, root),
        labels=np.asarray([classes.index(label) for label in rows["label"]], dtype=np.int64),
        groups=rows["group"].tolist(),
        classes=classes,
        mirror=mirrored_positions(params.data.mirror_pairs, classes),
        views=params.views,
    )


def load_views(
    rows: pd.DataFrame, params: Params, backbone: str, views: Sequence[View], root: Path = Path()
) -> dict[View, StreamArrays]:
    """Return the stored features of the manifest's ``rows`` in each of ``views``, stream to (N, T, G, D) float16."""
    stored = {
        view: load_feature_arrays(feature_files(rows, params, backbone, root, view=view))
        for view in stored_views(views)
    }
    num_segments = params.frames.num_segments
    return {
        view: {s: steps_of_clip(array, view, num_segments) for s, array in stored[view.of_all_segments].items()}
        for view in views
    }


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
