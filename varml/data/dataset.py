"""Cached features of many videos as arrays, in the order of the manifest's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

from varml.errors import StoreError


@dataclass(frozen=True)
class FeatureSet:
    """Features and labels of N videos.

    ``features`` maps a stream to (N, T, G, D) float16; ``labels`` is (N,) int64, places in ``classes``. ``mirrored``
    are the features of the same videos in a mirror, and ``mirror`` (K,) the place of the class that each class becomes
    there; both are empty where no mirror is looked into.
    """

    video_ids: list[str]
    features: dict[str, npt.NDArray[np.float16]]
    labels: npt.NDArray[np.int64]
    groups: list[str]
    classes: list[str]
    mirrored: dict[str, npt.NDArray[np.float16]] = field(default_factory=dict)
    mirror: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.video_ids)

    @property
    def dim(self) -> int:
        """Width D of the features."""
        return int(self.features["rgb"].shape[-1])

    @property
    def num_steps(self) -> dict[str, int]:
        """Number of steps T of each stream."""
        return {stream: int(array.shape[1]) for stream, array in self.features.items()}

    @property
    def num_cells(self) -> int:
        """Number of cells G of the grid."""
        return int(self.features["rgb"].shape[2])

    def subset(self, positions: Sequence[int] | npt.NDArray[Any]) -> FeatureSet:
        """Return the videos at ``positions``."""
        chosen = np.asarray(positions)
        return FeatureSet(
            [self.video_ids[i] for i in chosen],
            {stream: array[chosen] for stream, array in self.features.items()},
            self.labels[chosen],
            [self.groups[i] for i in chosen],
            self.classes,
            {stream: array[chosen] for stream, array in self.mirrored.items()},
            self.mirror,
        )

    @property
    def views(self) -> list[FeatureSet]:
        """The videos as they are and, where that is stored, in a mirror, with the labels that they have there."""
        if not self.mirrored:
            return [self]
        labels = np.asarray(self.mirror, dtype=np.int64)[self.labels]
        return [self.unmirrored, replace(self, features=self.mirrored, labels=labels, mirrored={}, mirror=[])]

    @property
    def unmirrored(self) -> FeatureSet:
        """The videos as they are, alone."""
        return replace(self, mirrored={}, mirror=[])

    def means(self) -> npt.NDArray[np.float32]:
        """Return each video's features averaged over time and grid, both streams side by side, (N, 2D)."""
        return np.concatenate([self.features[s].mean((1, 2), dtype=np.float32) for s in ("rgb", "flow")], axis=1)


def mean_of_views(views: Sequence[npt.NDArray[np.float32]], mirror: Sequence[int]) -> npt.NDArray[np.float32]:
    """Return the mean of probabilities (N, K) of the same videos as they are and, if there are two, in a mirror.

    A class is as probable in the mirror as the class ``mirror`` (K,) that it becomes there.
    """
    if len(views) == 1:
        return views[0]
    plain, mirrored = views
    return np.asarray((plain + mirrored[:, mirror]) / 2, dtype=np.float32)


def load_feature_set(
    rows: pd.DataFrame,
    files: Sequence[Path],
    classes: list[str],
    mirrored_files: Sequence[Path] = (),
    mirror: Sequence[int] = (),
) -> FeatureSet:
    """Return the features stored in ``files``, one for each of the manifest's ``rows``.

    ``mirrored_files`` hold those of the same videos in a mirror (see :class:`FeatureSet`); none are loaded without.
    Raises StoreError where a file is missing or damaged.
    """
    features = load_feature_arrays(files)
    index = {name: place for place, name in enumerate(classes)}
    labels = np.asarray([index[label] for label in rows["label"]], dtype=np.int64)
    seen = (load_feature_arrays(mirrored_files), list(mirror)) if mirrored_files else ({}, [])
    return FeatureSet(rows["video_id"].tolist(), features, labels, rows["group"].tolist(), classes, *seen)


def load_feature_arrays(files: Sequence[Path]) -> dict[str, npt.NDArray[np.float16]]:
    """Return the features stored in ``files``, stream to (N, T, G, D) float16.

    Raises StoreError where a file is missing or damaged.
    """
    loaded = [_load(file) for file in files]
    return {stream: np.stack([tensors[stream] for tensors in loaded]) for stream in ("rgb", "flow")}


def _load(path: Path) -> dict[str, npt.NDArray[np.float16]]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{path} is no readable features file ({error}); remove it and run `dvc repro`") from error
