"""The model that is served, from the trials that were chosen for it: each refitted on all of train and val."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial

import pandas as pd

from varml.config.params import Params
from varml.data.dataset import FeatureSet
from varml.data.manifest import class_names
from varml.data.mirror_pairs import mirror_warnings
from varml.errors import ModelError
from varml.flow.estimator import estimator_state
from varml.ground.engine import resolve_num_workers
from varml.models.backbones import Backbone, build_backbone
from varml.models.description import (
    FORMAT,
    UNKNOWN,
    BackboneDescription,
    Description,
    MemberDescription,
    Preprocessing,
    frozen_key,
)
from varml.models.model_files import LoadedModel
from varml.models.recognizer import Recognizer
from varml.training.augmented import AugmentedFeatures
from varml.training.data import list_clips, load_features
from varml.training.loop import EpochMetrics, fit
from varml.training.served import Served
from varml.training.stream_weight import set_fitted

# The backbone computes on one core here and takes longer than to read and change clips.
MAX_READERS = 4


@dataclass(frozen=True)
class Member:
    """A trial that is served: the params that it was validated with, its share, and what was fitted out of fold."""

    params: Params
    weight: float
    fitted: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Refitted:
    """A trained member, with the backbones that it reads by their keys."""

    recognizer: Recognizer
    description: MemberDescription
    backbones: dict[str, Backbone]


OnEpoch = Callable[[int, int, EpochMetrics], None]  # place of the member, epoch, metrics


def train_model(
    manifest: pd.DataFrame, params: Params, members: list[Member], served: Served, on_epoch: OnEpoch
) -> LoadedModel:
    """Return the model of ``members``, trained on all rows of ``manifest``, the classes in alphabetical order."""
    classes = class_names(manifest)
    if served.unknown_below is not None and UNKNOWN in classes:
        raise ModelError(f"a class is named {UNKNOWN!r}, as is the answer of train.min_precision; rename it")
    trainer = _Trainer(manifest, params)
    refitted = [trainer.refit(member, partial(on_epoch, place)) for place, member in enumerate(members)]
    backbones = {key: backbone for member in refitted for key, backbone in member.backbones.items()}
    description = Description(
        format=FORMAT,
        classes=classes,
        temperature=served.temperature,
        unknown_below=served.unknown_below,
        backbones={key: BackboneDescription(name=b.name, in_chans=b.in_chans) for key, b in backbones.items()},
        members=[member.description for member in refitted],
        preprocessing=Preprocessing(
            probe=params.ingest.probe, frames=params.frames, flow=params.flow, features=params.features
        ),
    )
    state = estimator_state(params.flow.estimator, params.flow.weights)
    return LoadedModel(description, backbones, [member.recognizer for member in refitted], state)


class _Trainer:
    """Trains one member after the other; those of one backbone share it and its features."""

    def __init__(self, manifest: pd.DataFrame, params: Params) -> None:
        self._manifest, self._params = manifest, params
        self._backbone, self._features = cache(self._build), cache(self._load)

    def refit(self, member: Member, on_epoch: Callable[[int, EpochMetrics], None]) -> Refitted:
        """Return ``member`` trained with its own params."""
        params, name = member.params, member.params.model.backbone
        data, backbone = self._features(name), self._backbone(name)
        source = _augmented(self._manifest, params, backbone) if params.train.augment else None
        recognizer = fit(data, params.model, params.train, seed=params.seed, source=source, on_epoch=on_epoch)
        set_fitted(recognizer, member.fitted)
        key = frozen_key(backbone.name, backbone.in_chans)
        description = MemberDescription(
            weight=member.weight,
            model=params.model,
            dim=data.dim,
            num_steps=data.num_steps,
            backbones=dict.fromkeys(recognizer.streams, key),
        )
        return Refitted(recognizer, description, {key: backbone})

    def _build(self, name: str) -> Backbone:
        features = self._params.features
        return build_backbone(name, features.image_size_px, features.weights)

    def _load(self, name: str) -> FeatureSet:
        return load_features(self._manifest, self._params, name)


def _augmented(manifest: pd.DataFrame, params: Params, backbone: Backbone) -> AugmentedFeatures:
    for warning in mirror_warnings(params.data.mirror_pairs, class_names(manifest)):
        print(f"warning: {warning}", file=sys.stderr)
    return AugmentedFeatures(
        clips=list_clips(manifest, params),
        backbone=backbone,
        features=params.features,
        strength=params.train.augment,
        seed=params.seed,
        num_workers=min(resolve_num_workers(params.engine.num_workers), MAX_READERS),
    )
