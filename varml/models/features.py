"""Frozen features of both streams: what the search trains on, and what prediction computes from raw video.

RGB takes the middle frame of each segment, flow every step, as one image or two, or the steps of a segment as one
(:mod:`varml.models.flow_images`). Features are averaged onto a g x g grid.

RGB is standardised by the mean and std of the backbone's weights. Flow has its own, 0.5 and 0.5 whatever the backbone:
u and v come to lie between -1 and 1 with rest at 0, for the colours of photographs say nothing about motion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save
from torch import Tensor

from varml.config.params import Features as FeatureParams
from varml.config.views import PLAIN, View
from varml.flow.store import PackedFlow, read_packed_flow
from varml.ground.atomic import write_bytes
from varml.ground.threads import one_thread
from varml.models.backbones import RGB, Backbone, build_backbone
from varml.models.flow_images import flow_channels, flow_images, standardise_flow
from varml.models.views import StepFeatures, see
from varml.video.frames import middle_of, read_frames
from varml.video.reader import Frames

_LARGEST = float(np.finfo(np.float16).max)
StreamFeatures = dict[str, StepFeatures]
StreamBackbones = dict[str, Backbone]


@dataclass(frozen=True)
class FeatureTask:
    """One video and one backbone; travels to a worker process."""

    frames: Path
    flow: Path
    target: Path
    backbone: str
    params: FeatureParams
    view: View = PLAIN


def extract_features(task: FeatureTask) -> None:
    """Store the features of both streams of one video in one view."""
    frames, flow = see(read_frames(task.frames), read_packed_flow(task.flow), task.view)
    backbones = _loaded_backbones(task.backbone, task.params.frozen.model_dump_json(), flow.shape[1] + 1)
    with one_thread():
        features = compute_features(backbones, frames, flow, task.params)
    write_bytes(task.target, save(features))


def stream_backbones(
    name: str, params: FeatureParams, frames_per_segment: int, weights: Mapping[str, str] | None
) -> StreamBackbones:
    """Return the backbone of each stream: one for both, unless images of flow have channels of their own.

    ``weights`` and what is raised are those of :func:`varml.models.backbones.build_backbone`.
    """
    rgb = build_backbone(name, params.image_size_px, weights)
    channels = flow_channels(params.flow_images, frames_per_segment)
    flow = rgb if channels == RGB else build_backbone(name, params.image_size_px, weights, channels)
    return {"rgb": rgb, "flow": flow}


def compute_features(
    backbones: Mapping[str, Backbone], frames: Frames, packed_flow: PackedFlow, params: FeatureParams
) -> StreamFeatures:
    """Return ``rgb`` (S, G, D) and ``flow`` (T, G, D), float16, each by its backbone; T is the number of flow's images.

    ``frames`` is (S, F, H, W, 3) uint8, of which the middle frame is seen, and ``packed_flow`` (S, F-1, 2H, W, 1)
    uint8, both as stored. One video is one batch, so that a video's features do not depend on which others are
    computed with it.
    """
    streams = {"rgb": rgb_input(backbones["rgb"], frames, params), "flow": flow_input(packed_flow, params)}
    return {stream: features_of(backbones[stream], images, params) for stream, images in streams.items()}


def rgb_input(backbone: Backbone, frames: Frames, params: FeatureParams) -> Tensor:
    """Return what the backbone sees of stored frames, (S, 3, s, s) float32, standardised."""
    return backbone.standardise(scaled_rgb(frames, params))


def flow_input(packed_flow: PackedFlow, params: FeatureParams) -> Tensor:
    """Return what the backbone sees of stored flow, (T, C, s, s) float32, standardised."""
    return standardise_flow(scaled_flow(packed_flow, params))


def scaled_rgb(frames: Frames, params: FeatureParams) -> Tensor:
    """Return stored frames at the size of the backbone, (S, 3, s, s) float32, about 0 to 1."""
    return _scaled(rgb_images(frames), params)


def scaled_flow(packed_flow: PackedFlow, params: FeatureParams) -> Tensor:
    """Return stored flow as images at the size of the backbone, (T, C, s, s) float32, about 0 to 1."""
    return _scaled(flow_images(packed_flow, params.flow_images), params)


def features_of(backbone: Backbone, images: Tensor, params: FeatureParams) -> StepFeatures:
    """Return the features of standardised ``images``, (T, C, s, s), as they are stored."""
    with torch.inference_mode():
        return storable(grid_features(backbone, images, params.grid_size)).numpy()


def storable(values: Tensor) -> Tensor:
    """Return ``values`` in float16, contiguous, none of them infinite."""
    # float16 ends at 65504; an infinite feature would make every later loss NaN.
    return values.clamp(-_LARGEST, _LARGEST).half().contiguous()


def grid_features(backbone: Backbone, images: Tensor, grid_size: int) -> Tensor:
    """Return the features of standardised ``images`` (N, C, s, s) on a g x g grid, (N, G, D) float32.

    Gradients flow back into the backbone. N may be the steps of many videos, B*T. Cells lie row by row.
    """
    cells = F.adaptive_avg_pool2d(backbone.feature_map(images).float(), grid_size)  # (N, D, g, g)
    return cells.flatten(2).transpose(1, 2)


def rgb_images(frames: Frames) -> Tensor:
    """Return the middle frame of each segment as (S, 3, H, W) float from 0 to 1."""
    middle = frames[:, middle_of(frames.shape[1])]
    return torch.from_numpy(np.ascontiguousarray(middle)).permute(0, 3, 1, 2).float() / 255


def _scaled(images: Tensor, params: FeatureParams) -> Tensor:
    size = (params.image_size_px, params.image_size_px)
    return F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)


@lru_cache(maxsize=1)
def _loaded_backbones(name: str, params: str, frames_per_segment: int) -> StreamBackbones:
    # A worker computes many videos of one backbone; params travel as text because a dictionary has no hash.
    parsed = FeatureParams.model_validate_json(params)
    return stream_backbones(name, parsed, frames_per_segment, parsed.weights)
