"""Which adaptations of backbones a search and its final model need, and the files that hold what comes of them.

For each backbone and each adapted stream there is one for every fold of the search, trained on what the fold does not
validate, and one for the model that is served, trained on all of train and val. Light: it loads no network, so that a
stage that has nothing to do ends at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from varml.config.params import Params
from varml.config.space import backbones_of, mirrors, searched_views
from varml.config.views import View, stored_views
from varml.data.manifest import class_names
from varml.data.mirror_pairs import mirrored_positions
from varml.data.splits import Positions
from varml.data.validation import confirming_folds, make_validation
from varml.ground.content_key import content_key
from varml.ground.paths import ADAPTED
from varml.ground.plugins import plugin_digests
from varml.models.feature_files import SUFFIX, feature_files

# Raise it when the same videos, params and weights give other features.
VERSION = 1
FINAL = -1  # in place of a fold: trained on all of train and val, for the model that is served


@dataclass(frozen=True, eq=False)
class Adaptation:
    """The training of one stream's backbone on the videos at ``training`` among those of train and val.

    ``fold`` is that of the search which validates the other videos, or :data:`FINAL`. ``folder`` holds what comes of it
    in files that begin with ``key``, which stands for all that it depends on: the frozen features and the labels that
    it is trained on, the videos whose features it gives, the params, the weights and the seed. ``keeps_backbone`` where
    the adapted backbone is needed too: by the model that is served, and by folds that confirm trials end to end.
    """

    backbone: str
    stream: str
    fold: int
    training: Positions
    seed: int
    folder: Path
    key: str
    keeps_backbone: bool = False

    @property
    def features(self) -> Path:
        """The file of the features of all videos; it is written last."""
        return self.folder / f"{self.key}{SUFFIX}"

    @property
    def weights(self) -> Path | None:
        """The file of the adapted backbone, which is kept where training goes on with it: in few folds, if any."""
        return self.folder / f"{self.key}.weights{SUFFIX}" if self.keeps_backbone else None

    @property
    def files(self) -> list[Path]:
        """All files that come of it."""
        return [self.features] if self.weights is None else [self.weights, self.features]

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        return all(file.exists() for file in self.files)


def list_adaptations(rows: pd.DataFrame, params: Params, root: Path = Path()) -> list[Adaptation]:
    """Return every adaptation that ``params`` ask for, of the ``rows`` of train and val, in the project at ``root``.

    None where no stream is adapted.
    """
    streams = params.features.adapted_streams
    if not streams:
        return []
    folds, _ = make_validation(rows, params)
    wanted = [(backbone, stream) for backbone in backbones_of(params) for stream in streams]
    return [made for backbone, stream in wanted for made in _of_stream(rows, params, root, backbone, stream, folds)]


def adaptations_of(adaptations: Iterable[Adaptation], backbone: str, fold: int) -> list[Adaptation]:
    """Return those of one ``backbone`` for one ``fold``, one for each adapted stream."""
    return [made for made in adaptations if (made.backbone, made.fold) == (backbone, fold)]


def adapted_views(params: Params) -> list[View]:
    """Return the views in which an adaptation sees each video and gives its features; a clip is some of their steps."""
    return stored_views(searched_views(params))


def _of_stream(
    rows: pd.DataFrame, params: Params, root: Path, backbone: str, stream: str, folds: list[Positions]
) -> Iterator[Adaptation]:
    everything = np.arange(len(rows))
    fixed, labels = _what_matters(rows, params, backbone, stream), rows["label"].tolist()
    with_backbone = {FINAL, *range(len(confirming_folds(folds, params)))}
    for fold, held_out in [*enumerate(folds), (FINAL, np.empty(0, dtype=np.int64))]:
        training = np.setdiff1d(everything, held_out)
        seed = params.seed + max(fold, 0)  # that of the training of a fold, in cross-validation too
        key = content_key(
            **fixed, training=training.tolist(), labels=[labels[i] for i in training], seed=seed, final=fold == FINAL
        )
        folder = root / ADAPTED / backbone
        yield Adaptation(backbone, stream, fold, training, seed, folder, key, fold in with_backbone)


def _what_matters(rows: pd.DataFrame, params: Params, backbone: str, stream: str) -> dict[str, Any]:
    """Return all but the training part that features of an adapted backbone depend on.

    The names of frozen features stand for the videos, their frames and flow, and the weights of the backbone.
    """
    classes, adaptation = class_names(rows), params.features.adaptation
    changes = mirrors(params) or adaptation.augment > 0
    return {
        "version": VERSION,
        "stream": stream,
        "videos": [file.name for file in feature_files(rows, params, backbone)],
        "classes": classes,
        "views": [view.name for view in adapted_views(params)],
        "mirror": mirrored_positions(params.data.mirror_pairs, classes) if changes else [],
        "adaptation": adaptation.model_dump(),
        # A transform of the user's own may be another one under the same name.
        "plugins": plugin_digests(params.plugins) if params.plugins and adaptation.augment else {},
    }
