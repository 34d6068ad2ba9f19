"""A member of the model that is served, trained on all of train and val: on features, then on pixels where wanted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import pandas as pd

from varml.config.params import Params
from varml.config.views import list_views
from varml.data.dataset import FeatureSet
from varml.data.manifest import class_names
from varml.data.mirror_pairs import mirror_warnings
from varml.ground.engine import resolve_num_workers
from varml.models.backbones import Backbone
from varml.models.description import MemberDescription, frozen_key
from varml.models.features import StreamBackbones, stream_backbones
from varml.models.recognizer import Recognizer
from varml.training.adaptations import FINAL, Adaptation, adaptations_of, list_adaptations
from varml.training.adapted import load_backbone, with_adapted
from varml.training.augmented import AugmentedImages
from varml.training.checkpoint_files import final_checkpoint
from varml.training.data import list_clips, load_features
from varml.training.loop import EpochMetrics
from varml.training.stream_weight import set_fitted
from varml.training.whole_training import train_whole

# A network computes on one core here and takes longer than to read and change clips.
MAX_READERS = 4
OnEpoch = Callable[[int, EpochMetrics], None]


@dataclass(frozen=True)
class Member:
    """A trial that is served: the params that it was validated with, its share, and what was fitted out of fold.

    Where it was ``confirmed``, that was fitted on trainings end to end which did not have it yet, so that this one
    does not have it either.
    """

    params: Params
    weight: float
    fitted: dict[str, float] = field(default_factory=dict)
    confirmed: bool = False


@dataclass(frozen=True)
class Refitted:
    """A trained member, with the backbones that it reads by their keys."""

    recognizer: Recognizer
    description: MemberDescription
    backbones: dict[str, Backbone]


class Refitter:
    """Trains one member after the other on all rows of ``manifest``; those of one backbone share its features.

    Of adapted streams these are the features of backbones that have seen all rows, and the members share these too.
    """

    def __init__(self, manifest: pd.DataFrame, params: Params) -> None:
        self._manifest, self._params = manifest, params
        self._adaptations = list_adaptations(manifest, params)
        self._backbones, self._features = cache(self._build), cache(self._load)

    def refit(self, member: Member, place: int, on_epoch: OnEpoch) -> Refitted:
        """Return ``member``, which stands at ``place`` among the members, trained with its own params."""
        params, name = member.params, member.params.model.backbone
        data = self._features(name, params.train.mirror)
        trained = train_whole(
            data,
            lambda: self._images(params),
            params,
            seed=params.seed,
            on_epoch=on_epoch,
            checkpoint=final_checkpoint(params),
            fitted={} if member.confirmed else member.fitted,
        )
        recognizer, read = trained.recognizer, trained.backbones
        set_fitted(recognizer, member.fitted)
        if read is None:
            read = {stream: self._backbones(name)[stream] for stream in recognizer.streams}
            keys = {stream: self._key(name, stream, backbone) for stream, backbone in read.items()}
        else:
            keys = {stream: f"{name}.{stream}.{place}" for stream in recognizer.streams}
        description = MemberDescription(
            weight=member.weight,
            model=params.model,
            dim=data.dim,
            num_steps=data.num_steps,
            backbones=keys,
            mirror=params.train.mirror,
        )
        return Refitted(recognizer, description, {keys[stream]: backbone for stream, backbone in read.items()})

    def _key(self, name: str, stream: str, backbone: Backbone) -> str:
        if stream in self._params.features.adapted_streams:
            return f"{name}.{stream}.adapted"
        return frozen_key(name, backbone.in_chans)

    def _images(self, params: Params) -> AugmentedImages:
        for warning in mirror_warnings(params.data.mirror_pairs, class_names(self._manifest)):
            print(f"warning: {warning}", file=sys.stderr)
        return AugmentedImages(
            clips=list_clips(self._manifest, params),
            backbones=self._backbones(params.model.backbone),
            features=params.features,
            strength=params.train.augment,
            seed=params.seed,
            num_workers=min(resolve_num_workers(params.engine.num_workers), MAX_READERS),
            views=list_views(params.views, params.train.mirror),
        )

    def _build(self, name: str) -> StreamBackbones:
        features = self._params.features
        frozen = stream_backbones(name, features, self._params.frames.frames_per_segment, features.weights)
        return frozen | {a.stream: load_backbone(a, self._params) for a in self._of(name)}

    def _load(self, name: str, mirrored: bool) -> FeatureSet:
        frozen = load_features(self._manifest, self._params, name, mirrored=mirrored)
        return with_adapted(frozen, self._of(name), self._params.frames.num_segments)

    def _of(self, name: str) -> list[Adaptation]:
        return adaptations_of(self._adaptations, name, FINAL)
