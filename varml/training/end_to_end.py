"""A fold of the search trained from pixels: what its training part teaches is asked about the videos that it validates.

Neither the recogniser nor its backbones see a validated video or its label before they are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from varml.config.params import Params
from varml.config.views import list_views
from varml.data.dataset import FeatureSet
from varml.data.splits import Positions
from varml.errors import TrainingError
from varml.flow.store import read_packed_flow
from varml.ground.threads import one_thread
from varml.models.backbones import Backbone
from varml.models.ensemble import Input, compute_inputs
from varml.models.features import StreamBackbones, stream_backbones
from varml.training.adaptations import Adaptation
from varml.training.adapted import load_backbone, with_adapted
from varml.training.augmented import AugmentedImages
from varml.training.checkpoint import Checkpoint
from varml.training.cross_validation import FoldResult
from varml.training.data import list_clips, load_features
from varml.training.loop import EpochMetrics, predict
from varml.training.stream_weight import predict_streams
from varml.training.whole_training import Trained, train_whole
from varml.video.frames import read_frames


@dataclass(frozen=True)
class EndToEndTask:
    """The training of one fold from pixels; travels to a worker process.

    ``rows`` are the videos of train and val of the project at ``root``, ``positions`` those among them that ``fold``
    validates. ``params`` are those of a trial with the end-to-end values that are tried on it, ``adaptations`` those
    of the fold.
    """

    rows: pd.DataFrame
    params: Params
    fold: int
    positions: Positions
    adaptations: Sequence[Adaptation] = ()
    checkpoint: Checkpoint | None = None
    root: Path = field(default_factory=Path)

    @property
    def training(self) -> Positions:
        """The positions of the videos that are trained on."""
        return np.setdiff1d(np.arange(len(self.rows)), self.positions)


def validate_end_to_end(task: EndToEndTask) -> FoldResult:
    """Train on what the fold does not validate, from the seed that the trial had there, and predict what it does.

    Equal tasks give equal results on the CPU in one precision, also where a training went on from its checkpoint.
    Raises StoreError where something stored is missing or damaged, and TrainingError where the loss, its gradient or a
    prediction becomes no number.
    """
    params, data = task.params, _features(task)
    epochs: list[EpochMetrics] = []
    trained = train_whole(
        data.subset(task.training),
        lambda: _images(task),
        params,
        seed=params.seed + task.fold,
        on_epoch=lambda _, metrics: epochs.append(metrics),
        checkpoint=task.checkpoint,
        # Those of the trial were fitted on what frozen backbones say, also of videos that are validated here.
        fitted={},
    )
    recognizer = trained.recognizer.cpu()
    seen = _seen(task, trained, data.subset(task.positions))
    probabilities = predict(recognizer, seen)
    if not np.isfinite(probabilities).all():
        raise TrainingError("a prediction is no number after training end to end; lower train.finetune.lr")
    return FoldResult(task.fold, task.positions, probabilities, predict_streams(recognizer, seen), epochs)


def _features(task: EndToEndTask) -> FeatureSet:
    params = task.params
    stored = load_features(task.rows, params, params.model.backbone, mirrored=params.train.mirror, root=task.root)
    return with_adapted(stored, task.adaptations, params.frames.num_segments)


def _images(task: EndToEndTask) -> AugmentedImages:
    params = task.params
    return AugmentedImages(
        clips=list_clips(task.rows, params, root=task.root).subset(task.training.tolist()),
        backbones=_backbones(task),
        features=params.features,
        strength=params.train.augment,
        seed=params.seed + task.fold,
        # A worker process may have none of its own; what is read does not depend on them.
        num_workers=0,
        views=list_views(params.views, params.train.mirror),
    )


def _backbones(task: EndToEndTask) -> StreamBackbones:
    params, features = task.params, task.params.features
    frozen = stream_backbones(params.model.backbone, features, params.frames.frames_per_segment, features.weights)
    return frozen | {one.stream: load_backbone(one, params) for one in task.adaptations}


def _seen(task: EndToEndTask, trained: Trained, validated: FeatureSet) -> FeatureSet:
    """Return the videos that are ``validated``, as the trained backbones see them where there are any."""
    if trained.backbones is None:
        return validated
    backbones: dict[str, Backbone] = {stream: backbone.cpu() for stream, backbone in trained.backbones.items()}
    clips = list_clips(task.rows, task.params, root=task.root).subset(task.positions.tolist())
    asked = [Input(stream, stream, view) for stream in backbones for view in validated.features]
    # As a model in service computes them, one video at a time.
    with one_thread():
        computed = [
            compute_inputs(asked, backbones, read_frames(frames), read_packed_flow(flow), task.params.features)
            for frames, flow in zip(clips.frames, clips.flow, strict=True)
        ]
    return replace(
        validated,
        features={
            view: {stream: np.stack([one[Input(stream, stream, view)] for one in computed]) for stream in backbones}
            for view in validated.features
        },
    )
