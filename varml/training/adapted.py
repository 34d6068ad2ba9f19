"""What comes of adaptations, as the search and the final training read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_state

from varml.config.params import Params
from varml.config.views import View
from varml.data.dataset import FeatureSet, StreamArrays
from varml.errors import StoreError
from varml.models.backbones import Backbone
from varml.models.features import stream_backbones
from varml.models.views import StepFeatures, steps_of_clip
from varml.training.adaptations import Adaptation


def with_adapted(frozen: FeatureSet, adaptations: Sequence[Adaptation], num_segments: int) -> FeatureSet:
    """Return ``frozen`` features of videos of ``num_segments``, those of each adapted stream in place of the frozen.

    Raises StoreError where a file is missing or damaged.
    """
    found = {adaptation.stream: _load(adaptation) for adaptation in adaptations}
    features = {
        view: seen | {stream: _in_view(tensors, stream, view, num_segments) for stream, tensors in found.items()}
        for view, seen in frozen.features.items()
    }
    return replace(frozen, features=features)


def stored_name(stream: str, view: View) -> str:
    """Return the name in the file of the features of ``stream`` in ``view``."""
    return ".".join(filter(None, [stream, view.name]))


def load_backbone(adaptation: Adaptation, params: Params) -> Backbone:
    """Return the adapted backbone, of an adaptation that keeps it.

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


def _in_view(tensors: StreamArrays, stream: str, view: View, num_segments: int) -> StepFeatures:
    return steps_of_clip(tensors[stored_name(stream, view.of_all_segments)], view, num_segments)


def _load(adaptation: Adaptation) -> StreamArrays:
    try:
        return load_file(adaptation.features)
    except (OSError, SafetensorError) as error:
        raise _unreadable(adaptation, error) from error


def _unreadable(adaptation: Adaptation, error: Exception) -> StoreError:
    names = " and ".join(map(str, adaptation.files))
    return StoreError(f"{names} must hold an adapted backbone ({error}); remove what is there and run `dvc repro`")
