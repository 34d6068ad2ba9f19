"""What enters the part of a backbone that is adapted: images of stored videos, or maps of what lies before that part.

While what lies before is not trained and no clip is changed, its maps are the same in every epoch and in every fold, so
they are computed once and kept in files, in half precision as features are, for as long as the adaptations take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from varml.config.params import Features
from varml.config.views import View
from varml.data.splits import Positions
from varml.flow.store import read_packed_flow
from varml.models.backbones import Backbone
from varml.models.features import flow_input, rgb_input, storable
from varml.models.views import see_flow, see_frames
from varml.training.batches import Batch, Draw, draw_views
from varml.video.frames import read_middle_frames


class Entering(Protocol):
    """Where the inputs of N videos come from, in each of their views."""

    def read(self, view: View, position: int) -> Tensor:
        """Return the inputs of one video, (T, ...) float32."""
        ...


@dataclass(frozen=True)
class StoredImages:
    """Standardised images (T, C, s, s) of one ``stream``, whose stored frames or flow are ``files``."""

    files: Sequence[Path]
    stream: str
    backbone: Backbone
    features: Features

    def read(self, view: View, position: int) -> Tensor:
        """Return the images of one video; raises StoreError where its file is missing or damaged."""
        file = self.files[position]
        if self.stream == "rgb":
            return rgb_input(self.backbone, see_frames(read_middle_frames(file), view), self.features)
        return flow_input(see_flow(read_packed_flow(file), view), self.features)


class KeptMaps:
    """Maps that are kept in ``files``, one for each view, (N, T, ...) float16 as numpy writes them."""

    def __init__(self, files: Mapping[View, Path]) -> None:
        self._views = {view: np.load(file, mmap_mode="r+") for view, file in files.items()}

    def read(self, view: View, position: int) -> Tensor:
        """Return the maps of one video."""
        return torch.from_numpy(np.array(self._views[view][position])).float()

    def write(self, view: View, position: int, maps: Tensor) -> None:
        """Keep the maps of one video."""
        self._views[view][position] = storable(maps).numpy()


@dataclass(frozen=True)
class EnteringBatches:
    """Batches of one ``stream`` from ``entering`` for the videos at ``positions``; a BatchSource.

    ``labels`` are the classes of the same videos in each view, (N,) each. Each time that a video is drawn it is seen in
    one of these views, which follows from ``seed``.
    """

    entering: Entering
    positions: Positions
    labels: Mapping[View, npt.NDArray[np.int64]]
    stream: str
    seed: int

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batch of each draw."""
        views = list(self.labels)
        for draw in draws:
            drawn = draw_views(draw, len(views), self.seed)[draw.own_rows].tolist()
            seen = [(views[view], video) for view, video in zip(drawn, draw.own_positions.tolist(), strict=True)]
            inputs = torch.stack([self.entering.read(view, int(self.positions[video])) for view, video in seen])
            labels = torch.tensor([int(self.labels[view][video]) for view, video in seen])
            yield Batch({self.stream: inputs}, labels)
