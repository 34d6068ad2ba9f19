"""Adapts the backbone of one stream to the videos that a fold trains on, and stores what it then sees of all videos.

Frozen features of flow are those of a network that was never shown flow. A short training, the classifier on frozen
features first and then end to end (:mod:`varml.training.finetuning`), lets a search at the speed of stored features
look at features that know motion. The backbone of a fold has never seen the videos that the fold validates, so their
validation is honest. It has seen the labels of the others: their features are more separable than those of new videos
are, which is the price, and what is trained on them may be surer of itself than it should.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from safetensors.numpy import save
from safetensors.torch import save as save_state

from varml.config.params import Adaptation as AdaptationParams
from varml.config.params import Attention, Features, Finetune, Model, Params, Train, Unfreeze
from varml.config.space import mirrors
from varml.config.views import View
from varml.data.dataset import FeatureSet
from varml.ground.atomic import write_bytes
from varml.ground.threads import one_thread
from varml.models.backbones import Backbone
from varml.models.features import features_of, stream_backbones
from varml.models.recognizer import Recognizer
from varml.models.split_backbone import SplitBackbone, split_backbone
from varml.models.video_network import VideoNetwork
from varml.training.adaptations import Adaptation, adapted_views
from varml.training.adapted import stored_name
from varml.training.augmented import AugmentedImages
from varml.training.batches import BatchSource
from varml.training.data import list_clips, load_searched
from varml.training.entering import Entering, EnteringBatches, KeptMaps, StoredImages
from varml.training.finetuning import train_end_to_end
from varml.training.loop import EpochMetrics, fit
from varml.training.unfreezing import train_only, trained_parameters

# The classifier is a tool of the adaptation and thrown away, so its values are none that a search or a user chooses:
# a change of theirs would adapt everything anew.
WIDTH, DROPOUT = 128, 0.3
HEAD = Train.model_validate(
    {
        "num_epochs": 20,
        "batch_size": 32,
        "lr": 1e-3,
        "weight_decay": 0.05,
        "label_smoothing": 0.1,
        "balance": "none",
        "augment": 0,
        "precision": "float32",  # which of two precisions is faster today must not decide what is stored
    }
)


@dataclass(frozen=True)
class Videos:
    """The videos of train and val of the project at ``root``, with its params; travels to worker processes."""

    rows: pd.DataFrame
    params: Params
    root: Path = Path()

    def features(self, backbone: str) -> FeatureSet:
        """Return the frozen features by ``backbone``, in all :attr:`views`."""
        whole = self.params.model_copy(update={"views": self.params.views.model_copy(update={"num_clips": 1})})
        return load_searched(self.rows, whole, backbone, root=self.root)

    def images(self, backbone: str, stream: str) -> StoredImages:
        """Return what the frozen ``backbone`` sees of them in ``stream``."""
        clips = list_clips(self.rows, self.params, root=self.root)
        files = clips.frames if stream == "rgb" else clips.flow
        return StoredImages(files, stream, frozen(backbone, stream, self.params), self.params.features)

    @property
    def views(self) -> list[View]:
        """The views in which each is looked at, all with all segments."""
        return adapted_views(self.params)


@dataclass(frozen=True)
class AdaptTask:
    """One adaptation; ``maps`` are the files of what enters its trained part, none where it is trained on images."""

    videos: Videos
    adaptation: Adaptation
    maps: Mapping[View, Path] = field(default_factory=dict)


def adapt(task: AdaptTask) -> None:
    """Do one adaptation, and write the files that come of it, the features last.

    Equal tasks give equal bytes on the CPU. Raises StoreError where something stored is missing or damaged, and
    TrainingError where the loss becomes no number.
    """
    params, adaptation = task.videos.params, task.adaptation
    whole = frozen(adaptation.backbone, adaptation.stream, params)
    split = split_for(adaptation.backbone, adaptation.stream, params) if task.maps else None
    entering = KeptMaps(task.maps) if task.maps else task.videos.images(adaptation.backbone, adaptation.stream)
    backbone = adapted_backbone(task, split.rest if split else whole, entering)
    if adaptation.weights is not None:
        full = replace(split, rest=backbone).joined() if split else backbone
        write_bytes(adaptation.weights, save_state(full.state_dict()))
    features = dict(_features(task, backbone, entering))
    write_bytes(adaptation.features, save(features))


def adapted_backbone(task: AdaptTask, part: Backbone, entering: Entering) -> Backbone:
    """Return a copy of ``part``, of which the last or all layers are trained on what is ``entering``."""
    params, adaptation = task.videos.params, task.adaptation
    data = task.videos.features(adaptation.backbone)
    training = data.subset(adaptation.training)
    train = head_values(params)
    head = fit(training, head_model(adaptation), train, seed=adaptation.seed)
    network = _network(head, part, adaptation, params)
    train_end_to_end(
        network,
        _source(task, training, entering),
        torch.from_numpy(training.labels),
        len(data.classes),
        train,
        adaptation.seed,
        _tell_nobody,
    )
    return network.stream_backbones[adaptation.stream].cpu()


def head_model(adaptation: Adaptation) -> Model:
    """Return the params of the classifier: the mean of one stream over time and grid."""
    attention = Attention(depth=0, num_heads=1)
    return Model(
        backbone=adaptation.backbone, attention=attention, fusion=adaptation.stream, width=WIDTH, dropout=DROPOUT
    )


def head_values(params: Params) -> Train:
    """Return the values of both trainings, that of the classifier and that end to end."""
    how = params.features.adaptation
    finetune = Finetune(num_epochs=how.num_epochs, batch_size=how.batch_size, lr=how.lr, layer_decay=how.layer_decay)
    return HEAD.model_copy(update={"finetune": finetune, "unfreeze": how.unfreeze, "mirror": mirrors(params)})


def frozen(backbone: str, stream: str, params: Params) -> Backbone:
    """Return the backbone of ``stream`` with its pretrained weights; the last one is remembered."""
    return _frozen(backbone, stream, params.features.frozen.model_dump_json(), params.frames.frames_per_segment)


def split_for(backbone: str, stream: str, params: Params) -> SplitBackbone | None:
    """Return the backbone of ``stream`` cut where its adaptation begins; the last one is remembered.

    None where it cannot be cut, or where what lies before the cut is not the same in every epoch.
    """
    how = params.features.adaptation
    if how.unfreeze == "all" or how.augment > 0:
        return None
    return _split(
        backbone, stream, params.features.frozen.model_dump_json(), params.frames.frames_per_segment, how.unfreeze
    )


def _network(head: Recognizer, part: Backbone, adaptation: Adaptation, params: Params) -> VideoNetwork:
    whole, backbone = frozen(adaptation.backbone, adaptation.stream, params), deepcopy(part)
    # The last stage is told by the parameters of the whole network, of which a part has only some.
    train_only(backbone, trained_parameters(whole, params.features.adaptation.unfreeze))
    return VideoNetwork({adaptation.stream: backbone}, head, params.features.grid_size)


def _source(task: AdaptTask, training: FeatureSet, entering: Entering) -> BatchSource:
    params, adaptation = task.videos.params, task.adaptation
    how: AdaptationParams = params.features.adaptation
    if not how.augment:
        labels = {view: training.labels_in(view) for view in task.videos.views}
        return EnteringBatches(entering, adaptation.training, labels, adaptation.stream, adaptation.seed)
    clips = list_clips(task.videos.rows, params, root=task.videos.root).subset(adaptation.training.tolist())
    backbones = {adaptation.stream: frozen(adaptation.backbone, adaptation.stream, params)}
    # Adaptations run beside each other, and none has a core to spare for reading ahead.
    return AugmentedImages(
        clips, backbones, params.features, how.augment, adaptation.seed, num_workers=0, views=task.videos.views
    )


def _features(task: AdaptTask, backbone: Backbone, entering: Entering) -> Iterator[tuple[str, npt.NDArray[np.float16]]]:
    params, stream = task.videos.params, task.adaptation.stream
    for view in task.videos.views:
        with one_thread():
            seen = [
                features_of(backbone, entering.read(view, position), params.features)
                for position in range(len(task.videos.rows))
            ]
        yield stored_name(stream, view), np.stack(seen)


# Params travel as text here because a dictionary has no hash.
@lru_cache(maxsize=1)
def _frozen(backbone: str, stream: str, features: str, frames_per_segment: int) -> Backbone:
    parsed = Features.model_validate_json(features)
    return stream_backbones(backbone, parsed, frames_per_segment, parsed.weights)[stream]


@lru_cache(maxsize=1)
def _split(
    backbone: str, stream: str, features: str, frames_per_segment: int, unfreeze: Unfreeze
) -> SplitBackbone | None:
    whole = _frozen(backbone, stream, features, frames_per_segment)
    return split_backbone(whole, trained_parameters(whole, unfreeze))


def _tell_nobody(epoch: int, metrics: EpochMetrics) -> None:
    """Report to nobody: many adaptations run beside each other."""
