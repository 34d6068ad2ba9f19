"""Features of stored videos as a finished model reads them: stored ones of frozen backbones, else its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from varml.config.params import Params
from varml.data.dataset import load_feature_arrays
from varml.flow.store import flow_files, read_packed_flow
from varml.ground.threads import one_thread
from varml.models.ensemble import MIRRORED, compute_inputs
from varml.models.feature_files import feature_files
from varml.models.features import StreamFeatures
from varml.models.model_files import LoadedModel
from varml.video.frames import frames_files, read_frames

StoredFeatures = npt.NDArray[np.float16]  # (N, T, G, D)
Inputs = dict[str, dict[str, StoredFeatures]]  # backbone key to stream to features


def load_inputs(rows: pd.DataFrame, params: Params, model: LoadedModel) -> Inputs:
    """Return the features of the manifest's ``rows`` that ``model`` reads.

    Those of a frozen backbone are the stored ones; of a backbone with weights of the model's own they are computed from
    stored frames and flow. Raises StoreError where something stored is missing or damaged.
    """
    read, description = model.ensemble.inputs, model.description
    inputs: Inputs = {}
    for key in sorted({key for key, _ in read if description.is_frozen(key)}):
        inputs[key] = _load(rows, params, description.backbones[key].name, [stream for of, stream in read if of == key])
    own = [(key, stream) for key, stream in read if key not in inputs]
    return inputs | (compute_stored(rows, params, model, own) if own else {})


def _load(rows: pd.DataFrame, params: Params, backbone: str, streams: list[str]) -> dict[str, StoredFeatures]:
    loaded: dict[str, StoredFeatures] = {}
    for view in sorted({MIRRORED if stream.endswith(MIRRORED) else "" for stream in streams}):
        arrays = load_feature_arrays(feature_files(rows, params, backbone, mirrored=view == MIRRORED))
        loaded |= {stream + view: values for stream, values in arrays.items()}
    return {stream: loaded[stream] for stream in streams}


def compute_stored(rows: pd.DataFrame, params: Params, model: LoadedModel, read: list[tuple[str, str]]) -> Inputs:
    """Return features by the model's own backbones, for the pairs of backbone key and stream in ``read``."""
    collected: dict[str, dict[str, list[npt.NDArray[np.float16]]]] = defaultdict(lambda: defaultdict(list))
    for features in _of_each_video(rows, params, model, read):
        for key, streams in features.items():
            for stream, values in streams.items():
                collected[key][stream].append(values)
    return {key: {stream: np.stack(v) for stream, v in streams.items()} for key, streams in collected.items()}


def _of_each_video(
    rows: pd.DataFrame, params: Params, model: LoadedModel, read: list[tuple[str, str]]
) -> Iterator[dict[str, StreamFeatures]]:
    features = model.description.preprocessing.features
    files = zip(frames_files(rows, params.frames), flow_files(rows, params.frames, params.flow), strict=True)
    for frames, flow in files:
        # As in extract_features, so that the bits are those of stored features.
        with one_thread():
            yield compute_inputs(read, model.backbones, read_frames(frames), read_packed_flow(flow), features)
