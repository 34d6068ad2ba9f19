"""The model that is served, from the trials that were chosen for it: each refitted on all of train and val."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from varml.config.params import Params
from varml.data.manifest import class_names
from varml.data.mirror_pairs import mirrored_positions
from varml.errors import ModelError
from varml.flow.estimator import estimator_state
from varml.models.description import FORMAT, UNKNOWN, BackboneDescription, Description, Preprocessing
from varml.models.model_files import LoadedModel
from varml.training.loop import EpochMetrics
from varml.training.refit import Member, Refitter
from varml.training.served import Served

OnEpoch = Callable[[int, int, EpochMetrics], None]  # place of the member, epoch, metrics


def train_model(
    manifest: pd.DataFrame, params: Params, members: list[Member], served: Served, on_epoch: OnEpoch
) -> LoadedModel:
    """Return the model of ``members``, trained on all rows of ``manifest``, the classes in alphabetical order."""
    classes = class_names(manifest)
    if served.unknown_below is not None and UNKNOWN in classes:
        raise ModelError(f"a class is named {UNKNOWN!r}, as is the answer of train.min_precision; rename it")
    refitter = Refitter(manifest, params)
    refitted = [refitter.refit(member, place, partial(on_epoch, place)) for place, member in enumerate(members)]
    backbones = {key: backbone for member in refitted for key, backbone in member.backbones.items()}
    description = Description(
        format=FORMAT,
        classes=classes,
        mirror=mirrored_positions(params.data.mirror_pairs, classes),
        temperature=served.temperature,
        unknown_below=served.unknown_below,
        backbones={key: BackboneDescription(name=b.name, in_chans=b.in_chans) for key, b in backbones.items()},
        members=[member.description for member in refitted],
        preprocessing=Preprocessing(
            probe=params.ingest.probe,
            frames=params.frames,
            flow=params.flow,
            features=params.features.frozen,
            views=params.views,
        ),
    )
    state = estimator_state(params.flow.estimator, params.flow.weights)
    return LoadedModel(description, backbones, [member.recognizer for member in refitted], state)
