"""Features of stored videos as a finished model reads them: stored ones of frozen backbones, else its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from varml.config.params import Params
from varml.flow.store import flow_files, read_packed_flow
from varml.ground.threads import one_thread
from varml.models.ensemble import Input, compute_inputs
from varml.models.model_files import LoadedModel
from varml.models.views import StepFeatures
from varml.training.data import load_views
from varml.video.frames import frames_files, read_frames

StoredFeatures = npt.NDArray[np.float16]  # (N, T, G, D)
Inputs = dict[Input, StoredFeatures]


def load_inputs(rows: pd.DataFrame, params: Params, model: LoadedModel) -> Inputs:
    """Return the features of the manifest's ``rows`` that ``model`` reads.

    Those of a frozen backbone are the stored ones; of a backbone with weights of the model's own they are computed from
    stored frames and flow. Raises StoreError where something stored is missing or damaged.
    """
    read, description = model.ensemble.inputs, model.description
    inputs: Inputs = {}
    for key in dict.fromkeys(one.backbone for one in read if description.is_frozen(one.backbone)):
        inputs |= _load(rows, params, description.backbones[key].name, [one for one in read if one.backbone == key])
    own = [one for one in read if one not in inputs]
    return inputs | (compute_stored(rows, params, model, own) if own else {})


def _load(rows: pd.DataFrame, params: Params, backbone: str, read: list[Input]) -> Inputs:
    loaded = load_views(rows, params, backbone, [one.view for one in read])
    return {one: loaded[one.view][one.stream] for one in read}


def compute_stored(rows: pd.DataFrame, params: Params, model: LoadedModel, read: list[Input]) -> Inputs:
    """Return the features of ``read`` by the model's own backbones."""
    videos = list(_of_each_video(rows, params, model, read))
    return {one: np.stack([features[one] for features in videos]) for one in read}


def _of_each_video(
    rows: pd.DataFrame, params: Params, model: LoadedModel, read: list[Input]
) -> Iterator[dict[Input, StepFeatures]]:
    features = model.description.preprocessing.features
    files = zip(frames_files(rows, params.frames), flow_files(rows, params.frames, params.flow), strict=True)
    for frames, flow in files:
        # As in extract_features, so that the bits are those of stored features.
        with one_thread():
            yield compute_inputs(read, model.backbones, read_frames(frames), read_packed_flow(flow), features)
