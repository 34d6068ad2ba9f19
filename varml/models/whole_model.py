"""A model as one network, from images of one video to the probabilities of its classes: what can be exported."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from varml.config.params import Features as FeatureParams
from varml.flow.store import PackedFlow
from varml.models.ensemble import Input
from varml.models.features import grid_features, scaled_flow, scaled_rgb, storable
from varml.models.flow_images import standardise_flow
from varml.models.model_files import LoadedModel
from varml.models.views import see_flow, see_frames, steps_of_clip
from varml.video.reader import Frames


class WholeModel(nn.Module):
    """The backbones of ``model`` and its ensemble behind them.

    ``looks`` are what its backbones see of a video, one after the other: a stream in a view of all segments.
    """

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        self.backbones, self.ensemble = nn.ModuleDict(), model.ensemble
        # Keys of modules must not hold a dot.
        self._places = {key: f"backbone_{place}" for place, key in enumerate(model.backbones)}
        for key, backbone in model.backbones.items():
            self.backbones[self._places[key]] = backbone
        self._grid_size = model.description.preprocessing.features.grid_size
        self._num_segments = model.description.preprocessing.frames.num_segments
        self.looks = list(dict.fromkeys(one.of_all_segments for one in self.ensemble.inputs))

    def forward(self, *images: Tensor) -> Tensor:
        """Return probabilities (K,) of the images of each of ``looks``, (T, C, s, s) float32 from 0 to 1 each."""
        seen = {one: self._features(one, of) for one, of in zip(self.looks, images, strict=True)}
        read = {one: self._of_clip(seen[one.of_all_segments], one) for one in self.ensemble.inputs}
        return torch.as_tensor(self.ensemble({one: values[None].float() for one, values in read.items()})[0])

    def _features(self, one: Input, images: Tensor) -> Tensor:
        backbone = self.backbones[self._places[one.backbone]]
        standardised = backbone.standardise(images) if one.stream == "rgb" else standardise_flow(images)  # type: ignore[operator]
        return storable(grid_features(backbone, standardised, self._grid_size))  # type: ignore[arg-type]

    def _of_clip(self, features: Tensor, one: Input) -> Tensor:
        return steps_of_clip(features, one.view, self._num_segments)  # type: ignore[arg-type, return-value]


def look_images(looks: Sequence[Input], frames: Frames, packed_flow: PackedFlow, params: FeatureParams) -> list[Tensor]:
    """Return the images of each of ``looks``, (T, C, s, s) float32 about 0 to 1.

    ``frames`` (S, F, H, W, 3) and ``packed_flow`` (S, F-1, 2H, W, 1) are uint8, as stored.
    """
    return [
        scaled_rgb(see_frames(frames, one.view), params)
        if one.stream == "rgb"
        else scaled_flow(see_flow(packed_flow, one.view), params)
        for one in looks
    ]
