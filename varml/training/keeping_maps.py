"""Computes what lies before the trained part of a backbone once for all adaptations of a stream, and keeps its maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from varml.config.params import Params
from varml.config.views import View
from varml.ground.engine import map_parallel
from varml.ground.threads import one_thread
from varml.training.adapting import Videos, frozen, split_for
from varml.training.entering import KeptMaps, StoredImages


@dataclass(frozen=True)
class MapTask:
    """The maps of the video at ``position``, whose stored frames or flow are ``file``; travels to a worker process."""

    backbone: str
    stream: str
    params: Params
    file: Path
    position: int
    maps: Mapping[View, Path]


def make_map_files(videos: Videos, backbone: str, stream: str, folder: Path) -> dict[View, Path]:
    """Return new files in ``folder`` with room for the maps of all videos, one file for each view.

    None where the backbone cannot be cut, or every epoch shows other images.
    """
    split = split_for(backbone, stream, videos.params)
    if split is None:
        return {}
    images, files = videos.images(backbone, stream), {}
    for number, view in enumerate(videos.views):
        shape = split.maps(images.read(view, 0)).shape
        files[view] = folder / f"view{number}.npy"
        open_memmap(files[view], mode="w+", dtype=np.float16, shape=(len(videos.rows), *shape))
    return files


def keep_maps(
    videos: Videos, backbone: str, stream: str, maps: Mapping[View, Path], num_workers: int
) -> Iterator[None]:
    """Fill the files ``maps``; yield after each video."""
    yield from map_parallel(compute_maps, map_tasks(videos, backbone, stream, maps), num_workers=num_workers)


def map_tasks(videos: Videos, backbone: str, stream: str, maps: Mapping[View, Path]) -> list[MapTask]:
    """Return what fills the files ``maps``, none where there are none."""
    files = videos.images(backbone, stream).files if maps else ()
    return [MapTask(backbone, stream, videos.params, file, place, maps) for place, file in enumerate(files)]


def compute_maps(task: MapTask) -> None:
    """Keep the maps of one video in all its views."""
    split = split_for(task.backbone, task.stream, task.params)
    assert split is not None
    whole = frozen(task.backbone, task.stream, task.params)
    images, kept = StoredImages([task.file], task.stream, whole, task.params.features), KeptMaps(task.maps)
    for view in task.maps:
        with one_thread():
            kept.write(view, task.position, split.maps(images.read(view, 0)))
