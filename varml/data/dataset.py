"""Cached features of many videos as arrays, in the order of the manifest's rows, and answers on their views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

from varml.config.params import Views
from varml.config.views import View, list_views
from varml.errors import StoreError

StreamArrays = dict[str, npt.NDArray[np.floating[Any]]]  # stream to (N, T, G, D)


@dataclass(frozen=True)
class FeatureSet:
    """Features and labels of N videos.

    ``features`` maps each view to what is seen in it, stream to (N, T, G, D), of one shape in all views: float16 as it
    is stored, float32 where it is averaged over the grid.
    ``labels`` is (N,) int64, places in ``classes``, and ``mirror`` (K,) the place of the class that each class becomes
    in a mirror; it may be empty where no view is mirrored. ``views`` are the params that say which of these views
    a training with the mirror sees, and which one without; None where both see all.
    """

    video_ids: list[str]
    features: dict[View, StreamArrays]
    labels: npt.NDArray[np.int64]
    groups: list[str]
    classes: list[str]
    mirror: list[int] = field(default_factory=list)
    views: Views | None = None

    def __len__(self) -> int:
        return len(self.video_ids)

    @property
    def dim(self) -> int:
        """Width D of the features."""
        return int(self._any_view["rgb"].shape[-1])

    @property
    def num_steps(self) -> dict[str, int]:
        """Number of steps T of each stream."""
        return {stream: int(array.shape[1]) for stream, array in self._any_view.items()}

    @property
    def num_bytes(self) -> int:
        """Bytes of the features in all views."""
        return sum(array.nbytes for seen in self.features.values() for array in seen.values())

    @property
    def num_cells(self) -> int:
        """Number of cells G of the grid."""
        return int(self._any_view["rgb"].shape[2])

    def seen(self, mirror: bool) -> FeatureSet:
        """Return the same videos in those views alone that they are seen in with ``mirror`` or without."""
        wanted = self.features if self.views is None else list_views(self.views, mirror)
        return replace(self, features={view: self.features[view] for view in wanted})

    def subset(self, positions: Sequence[int] | npt.NDArray[Any]) -> FeatureSet:
        """Return the videos at ``positions``."""
        chosen = np.asarray(positions)
        return replace(
            self,
            video_ids=[self.video_ids[i] for i in chosen],
            features={view: {s: array[chosen] for s, array in seen.items()} for view, seen in self.features.items()},
            labels=self.labels[chosen],
            groups=[self.groups[i] for i in chosen],
        )

    def over_grid(self) -> FeatureSet:
        """Return the same videos with the mean of the cells as their only cell, (N, T, 1, D) float32."""
        means = {
            view: {stream: array.mean(2, dtype=np.float32, keepdims=True) for stream, array in seen.items()}
            for view, seen in self.features.items()
        }
        return replace(self, features=means)

    def labels_in(self, view: View) -> npt.NDArray[np.int64]:
        """Return the classes (N,) that videos have in ``view``."""
        return np.asarray(self.mirror, dtype=np.int64)[self.labels] if view.mirrored else self.labels

    def means_in(self, view: View) -> npt.NDArray[np.float32]:
        """Return each video's features averaged over time and grid, both streams side by side, (N, 2D)."""
        seen = self.features[view]
        return np.concatenate([seen[s].mean((1, 2), dtype=np.float32) for s in ("rgb", "flow")], axis=1)

    @property
    def _any_view(self) -> StreamArrays:
        return next(iter(self.features.values()))


def mean_of_views(
    answers: Mapping[View, npt.NDArray[np.floating[Any]]], mirror: Sequence[int]
) -> npt.NDArray[np.float32]:
    """Return the mean of the probabilities (N, K) of the same videos in each view.

    A class is as probable in a mirror as the class ``mirror`` (K,) that it becomes there.
    """
    turned = [said[:, mirror] if view.mirrored else said for view, said in answers.items()]
    # In float64, so that the order of views does not tell in float32.
    return np.asarray(np.mean(turned, axis=0, dtype=np.float64), dtype=np.float32)


def load_feature_arrays(files: Sequence[Path]) -> StreamArrays:
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
