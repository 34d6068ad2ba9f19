"""What comes of adaptations, as the search and the final training read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_state

from varml.config.params import Params
from varml.data.dataset import FeatureSet
from varml.errors import StoreError
from varml.models.backbones import Backbone
from varml.models.ensemble import MIRRORED
from varml.models.features import stream_backbones
from varml.training.adaptations import Adaptation


def with_adapted(frozen: FeatureSet, adaptations: Sequence[Adaptation]) -> FeatureSet:
    """Return ``frozen`` features with those of each adapted stream in place of the frozen ones.

    Raises StoreError where a file is missing or damaged.
    """
    found = {adaptation.stream: _load(adaptation) for adaptation in adaptations}
    features = {stream: tensors[stream] for stream, tensors in found.items()}
    mirrored = {s: tensors[s + MIRRORED] for s, tensors in found.items()} if frozen.mirrored else {}
    return replace(frozen, features=frozen.features | features, mirrored=frozen.mirrored | mirrored)


def load_backbone(adaptation: Adaptation, params: Params) -> Backbone:
    """Return the adapted backbone of the model that is served.

    Raises StoreError where its file is missing or damaged.
    """
    name, features = adaptation.backbone, params.features
    backbone = stream_backbones(name, features, params.frames.frames_per_segment, None)[adaptation.stream]
    assert adaptation.weights is not None
    try:
        backbone.load_state_dict(load_state(adaptation.weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise _unreadable(adaptation, error) from error
    return backbone


def _load(adaptation: Adaptation) -> dict[str, npt.NDArray[np.float16]]:
    try:
        return load_file(adaptation.features)
    except (OSError, SafetensorError) as error:
        raise _unreadable(adaptation, error) from error


def _unreadable(adaptation: Adaptation, error: Exception) -> StoreError:
    names = " and ".join(map(str, adaptation.files))
    return StoreError(f"{names} must hold an adapted backbone ({error}); remove what is there and run `dvc repro`")
