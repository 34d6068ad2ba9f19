"""How long the model of a trial takes for one video: the second objective of a search, beside its metric.

It is what the model itself takes in service, from images at the size of its backbones to probabilities: the backbone
once for each stream that the fusion reads and each view of pixels, and the head in all views. Reading the video, its
optical flow and scaling are left out: they depend on the video, and are the same for every trial. Time does not depend
on what weights hold, so that none are needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from varml.config.params import Params
from varml.config.views import list_views, stored_views
from varml.data.dataset import FeatureSet
from varml.ground.plugins import plugin_digests
from varml.models.backbones import RGB, build_backbone
from varml.models.ensemble import Ensemble, Member
from varml.models.features import features_of
from varml.models.flow_images import flow_channels, num_flow_images
from varml.models.fusion import fusions
from varml.models.recognizer import Recognizer
from varml.search.latency_memory import Run, remembered_ms

# Of the model's values those that change no work in service.
IDLE = {"backbone", "dropout", "stream_dropout"}
NUM_DIGITS = 2  # of milliseconds, after the point


def latency_ms(params: Params, data: FeatureSet) -> float:
    """Return how many milliseconds the model of a trial with ``params`` takes for a video of ``data`` on this device.

    Raises ModelError where timm does not build its backbone.
    """
    num_looks = len(stored_views(list_views(params.views, params.train.mirror)))
    seen = [_backbone_ms(params, stream) for stream in fusions[params.model.fusion].streams]
    return round(num_looks * sum(seen) + _head_ms(params, data), NUM_DIGITS)


def _backbone_ms(params: Params, stream: str) -> float:
    """Return what the backbone takes for the images of a stream of a video in one view, all clips at once."""
    features, frames = params.features, params.frames
    shape = (frames.num_segments, RGB)
    if stream == "flow":
        kind, per_segment = features.flow_images, frames.frames_per_segment
        shape = num_flow_images(kind, frames.num_segments, per_segment), flow_channels(kind, per_segment)
    name, size = params.model.backbone, features.image_size_px

    def make() -> Run:
        backbone, images = build_backbone(name, size, None, shape[1]), torch.rand(*shape, size, size)
        return lambda: features_of(backbone, images, features)

    return remembered_ms(make, backbone=name, images=[*shape, size, size], grid=features.grid_size, **_plugins(params))


def _head_ms(params: Params, data: FeatureSet) -> float:
    """Return what lies behind the backbones takes for one video in all its views."""
    views = list_views(params.views, params.train.mirror)
    seen = next(iter(data.features.values()))  # alike in all views
    shapes = {stream: array.shape[1:] for stream, array in seen.items()}  # (T, G, D) each
    model, num_classes = params.model, len(data.classes)

    def make() -> Run:
        num_steps = {stream: shape[0] for stream, shape in shapes.items()}
        _, num_cells, dim = shapes["rgb"]
        recognizer = Recognizer(model, dim=dim, num_steps=num_steps, num_cells=num_cells, num_classes=num_classes)
        ensemble = Ensemble([Member(recognizer, 1.0, dict.fromkeys(shapes, ""), views)], 1.0, data.mirror)
        features = {one: np.zeros((1, *shapes[one.stream]), np.float16) for one in ensemble.inputs}
        return lambda: ensemble.predict(features)

    head = model.model_dump(exclude=IDLE)
    return remembered_ms(make, head=head, features=shapes, classes=num_classes, views=len(views), **_plugins(params))


def _plugins(params: Params) -> dict[str, Any]:
    # A part of the user's own may be another one under the same name.
    return {"plugins": plugin_digests(params.plugins)} if params.plugins else {}
