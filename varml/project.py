"""A project in a notebook: what the pipeline made, as arrays, tables and models."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from varml.config.load import load_params
from varml.config.params import Params
from varml.data.manifest import read_manifest
from varml.errors import DataError
from varml.flow.estimator import Flow
from varml.flow.store import flow_files, read_flow
from varml.ground.paths import MANIFEST, MODEL, PARAMS
from varml.video.frames import frames_files, read_frames
from varml.video.reader import Frames

if TYPE_CHECKING:
    import optuna

    from varml.inference.predictor import Predictor


class Project:
    """The varml project in the folder ``path``."""

    def __init__(self, path: str | Path = ".") -> None:
        self.path = Path(path).resolve()

    @property
    def params(self) -> Params:
        """The typed params.yaml; raises ConfigError where it breaks a rule."""
        return load_params(self.path / PARAMS)

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """One row per readable video; raises DataError before the first ``dvc repro``."""
        return read_manifest(self.path / MANIFEST)

    def frames(self, video_id: str) -> Frames:
        """Return the stored frames of a video as (S, F, H, W, 3) uint8 RGB."""
        (file,) = frames_files(self._row(video_id), self.params.frames, self.path)
        return read_frames(file)

    def flow(self, video_id: str) -> Flow:
        """Return the stored flow of a video as (S, F-1, H, W, 2) float32 px, x then y."""
        params = self.params
        (file,) = flow_files(self._row(video_id), params.frames, params.flow, self.path)
        return read_flow(file)

    def study(self) -> optuna.Study:
        """Return the Optuna study of the present data, params and space; raises SearchError before its search."""
        from varml.config.space import backbones_of
        from varml.data.validation import TRAINING_SPLITS
        from varml.search.metric import with_metric
        from varml.search.project_data import study_name, study_terms
        from varml.search.study import load_study

        rows = self.manifest[self.manifest["split"].isin(TRAINING_SPLITS)]
        params = with_metric(self.params, rows)
        terms = study_terms(rows, params, backbones_of(params))
        return load_study(self.path / ".varml" / "studies", study_name(terms, params.search))

    def model(self) -> Predictor:
        """Return the trained model, ready to predict; raises ModelError before the first ``dvc repro``."""
        from varml.inference.predictor import Predictor

        return Predictor.load(self.path / MODEL)

    def _row(self, video_id: str) -> pd.DataFrame:
        rows = self.manifest[self.manifest["video_id"] == video_id]
        if rows.empty:
            raise DataError(f"no video has the id {video_id!r}; the ids are in the manifest's column video_id")
        return rows
