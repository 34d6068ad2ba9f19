"""What enters the part of a backbone that is adapted: images of stored videos, or maps of what lies before that part.

While what lies before is not trained and no clip is changed, its maps are the same in every epoch and in every fold, so
they are computed once and kept in files, in half precision as features are, for as long as the adaptations take.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from varml.config.params import Features
from varml.data.splits import Positions
from varml.flow.store import mirrored, read_packed_flow
from varml.models.backbones import Backbone
from varml.models.features import flow_input, rgb_input, storable
from varml.training.batches import Batch, Draw
from varml.training.reproducible import generator_of
from varml.video.frames import read_middle_frames


class Entering(Protocol):
    """Where the inputs of N videos come from, in each of their views: 0 as they are, 1 in a mirror."""

    def read(self, view: int, position: int) -> Tensor:
        """Return the inputs of one video, (T, ...) float32."""
        ...


@dataclass(frozen=True)
class StoredImages:
    """Standardised images (T, C, s, s) of one ``stream``, whose stored frames or flow are ``files``."""

    files: Sequence[Path]
    stream: str
    backbone: Backbone
    features: Features

    def read(self, view: int, position: int) -> Tensor:
        """Return the images of one video; raises StoreError where its file is missing or damaged."""
        if self.stream == "rgb":
            frames = read_middle_frames(self.files[position])
            seen = np.ascontiguousarray(frames[:, :, :, ::-1]) if view else frames
            return rgb_input(self.backbone, seen, self.features)
        flow = read_packed_flow(self.files[position])
        return flow_input(mirrored(flow) if view else flow, self.features)


class KeptMaps:
    """Maps that are kept in ``files``, one for each view, (N, T, ...) float16 as numpy writes them."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._views = [np.load(file, mmap_mode="r+") for file in files]

    def read(self, view: int, position: int) -> Tensor:
        """Return the maps of one video."""
        return torch.from_numpy(np.array(self._views[view][position])).float()

    def write(self, view: int, position: int, maps: Tensor) -> None:
        """Keep the maps of one video."""
        self._views[view][position] = storable(maps).numpy()


@dataclass(frozen=True)
class EnteringBatches:
    """Batches of one ``stream`` from ``entering`` for the videos at ``positions``; a BatchSource.

    ``labels`` are the classes of the same videos in each view, (N,) each. Of several views each video is seen in one,
    drawn from ``seed`` anew in every epoch.
    """

    entering: Entering
    positions: Positions
    labels: Sequence[npt.NDArray[np.int64]]
    stream: str
    seed: int

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batch of each draw."""
        for draw in draws:
            views = self._views(draw)[draw.own_rows].tolist()
            videos = draw.own_positions.tolist()
            seen = list(zip(views, videos, strict=True))
            inputs = torch.stack([self.entering.read(view, int(self.positions[video])) for view, video in seen])
            labels = torch.tensor([int(self.labels[view][video]) for view, video in seen])
            yield Batch({self.stream: inputs}, labels)

    def _views(self, draw: Draw) -> Tensor:
        generator = generator_of("view", self.seed, draw.epoch, draw.number)
        return torch.randint(len(self.labels), (len(draw.positions),), generator=generator)
