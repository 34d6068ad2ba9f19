"""Stored videos whose flow is seen by a backbone that is adapted, and adaptations of it that are done on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from stored_project import store_videos
from tiny_weights import tiny_params, write_tiny_weights

from varml.config import Params
from varml.config.space import apply_values
from varml.config.views import View
from varml.data.validation import TRAINING_SPLITS
from varml.training.adaptations import Adaptation, adaptations_of, list_adaptations
from varml.training.adapting import AdaptTask, Videos, adapt
from varml.training.keeping_maps import keep_maps, make_map_files


@dataclass(frozen=True)
class Stored:
    """A stored project with the rows of its videos in train and val."""

    params: Params
    rows: pd.DataFrame
    root: Path

    @property
    def videos(self) -> Videos:
        return Videos(self.rows, self.params, self.root)

    def changed(self, values: dict[str, Any]) -> Stored:
        return replace(self, params=apply_values(self.params, values))

    def adaptation(self, fold: int, folder: Path, stream: str = "flow") -> Adaptation:
        """The adaptation for a fold, whose files go to ``folder``."""
        found = adaptations_of(list_adaptations(self.rows, self.params, folder), self.params.model.backbone, fold)
        return next(one for one in found if one.stream == stream)

    def adapted(self, fold: int, folder: Path, *, cut: bool = True, stream: str = "flow") -> Adaptation:
        """The same when it is done, on maps that are kept or on images."""
        return self.done(self.adaptation(fold, folder, stream), cut=cut)

    def done(self, adaptation: Adaptation, *, cut: bool = True) -> Adaptation:
        """Do ``adaptation`` on the videos of this project."""
        maps: dict[View, Path] = {}
        if cut:
            (folder := adaptation.folder / "maps").mkdir(parents=True)
            maps = make_map_files(self.videos, adaptation.backbone, adaptation.stream, folder)
            kept = keep_maps(self.videos, adaptation.backbone, adaptation.stream, maps, 1)
            assert len(list(kept)) == len(self.rows)
        adapt(AdaptTask(self.videos, adaptation, maps))
        return adaptation


@contextmanager
def stored_for_adapting(folder: Path) -> Iterator[Stored]:
    """Store twelve videos to train on and six of the test split in ``folder``, which is the current one meanwhile."""
    params = tiny_params(write_tiny_weights(folder / "tiny.safetensors"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        manifest = store_videos(params)
        yield Stored(params, manifest[manifest["split"].isin(TRAINING_SPLITS)].reset_index(drop=True), folder)
