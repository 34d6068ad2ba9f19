"""What is served: one recogniser or several whose probabilities are averaged, calibrated by a temperature.

Evaluation and prediction both go through :meth:`Ensemble.predict`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from varml.config.params import Features as FeatureParams
from varml.config.views import PLAIN, View
from varml.flow.store import PackedFlow
from varml.ground.threads import one_thread
from varml.models.backbones import Backbone
from varml.models.features import features_of, flow_input, rgb_input
from varml.models.recognizer import Recognizer
from varml.models.views import StepFeatures, see_flow, see_frames, steps_of_clip
from varml.video.reader import Frames

BATCH = 256
Probabilities = npt.NDArray[np.float32]  # (N, K), rows sum to 1


class Input(NamedTuple):
    """What a recogniser reads: the features of a stream by the backbone with this key, of a video in one view."""

    backbone: str
    stream: str
    view: View = PLAIN

    @property
    def of_all_segments(self) -> Input:
        """The input of which this is a clip."""
        return self._replace(view=self.view.of_all_segments)


@dataclass(frozen=True)
class Member:
    """A recogniser of an ensemble: its share, and the key of the backbone that gives it the features of a stream.

    It answers on each of ``views`` for an equal part of its share.
    """

    recognizer: Recognizer
    weight: float
    backbones: Mapping[str, str]
    views: Sequence[View] = (PLAIN,)

    def inputs(self, view: View) -> dict[str, Input]:
        """Return what it reads of each stream in one of its views."""
        return {stream: Input(self.backbones[stream], stream, view) for stream in self.recognizer.streams}


class Ensemble(nn.Module):
    """Features by backbone, stream and view in, calibrated class probabilities out.

    ``mirror`` (K,) is the place of the class that each class becomes in a mirror; without it classes stay.
    """

    def __init__(self, members: Sequence[Member], temperature: float, mirror: Sequence[int] | None = None) -> None:
        super().__init__()
        self.recognizers = nn.ModuleList(member.recognizer for member in members)
        self.members, self.temperature, self.mirror = list(members), temperature, mirror

    @property
    def inputs(self) -> list[Input]:
        """What is read by any member, each once."""
        read = (m.inputs(view) for m in self.members for view in m.views)
        return list(dict.fromkeys(one for of_member in read for one in of_member.values()))

    def forward(self, features: Mapping[Input, Tensor]) -> Tensor:
        """Return probabilities (B, K) of the features (B, T, G, D) of each of ``inputs``."""
        return with_temperature(self.scores(features), self.temperature)

    def scores(self, features: Mapping[Input, Tensor]) -> Tensor:
        """Return the logits (B, K) of a single member and view, or the logarithm of the mean of all probabilities."""
        answers = [(member, view) for member in self.members for view in member.views]
        logits = [self._logits(member, view, features) for member, view in answers]
        if len(logits) == 1:
            return logits[0]
        weights = [math.log(member.weight / len(member.views)) for member, _ in answers]
        return torch.stack([s.log_softmax(-1) + w for s, w in zip(logits, weights, strict=True)]).logsumexp(0)

    def _logits(self, member: Member, view: View, features: Mapping[Input, Tensor]) -> Tensor:
        logits = member.recognizer({stream: features[one] for stream, one in member.inputs(view).items()})
        return logits[:, self.mirror] if view.mirrored and self.mirror is not None else logits

    def predict(self, features: Mapping[Input, npt.NDArray[Any]], *, calibrated: bool = True) -> Probabilities:
        """Return probabilities (N, K) of the features (N, T, G, D) of each of ``inputs``.

        Those that are not ``calibrated`` are what the members say, before the temperature.
        """
        tensors = {read: torch.from_numpy(array) for read, array in features.items()}
        (num_videos,) = {len(array) for array in features.values()}
        self.eval()
        with one_thread(), torch.inference_mode():
            batches = torch.arange(num_videos).split(BATCH)
            scores = [self.scores({read: values[b].float() for read, values in tensors.items()}) for b in batches]
            parts = [with_temperature(s, self.temperature if calibrated else 1.0) for s in scores]
        return np.asarray(torch.cat(parts).numpy())


def with_temperature(scores: Tensor, temperature: float) -> Tensor:
    """Return the probabilities softmax(s / T) of ``scores``, logits or log-probabilities (B, K)."""
    return (scores / temperature).softmax(-1)


def compute_inputs(
    inputs: Sequence[Input],
    backbones: Mapping[str, Backbone],
    frames: Frames,
    packed_flow: PackedFlow,
    params: FeatureParams,
) -> dict[Input, StepFeatures]:
    """Return the features (T, G, D) float16 of one video for each of ``inputs``.

    ``frames`` and ``packed_flow`` are as stored (see :func:`varml.models.features.compute_features`). The segments of
    all clips are seen at once, as those of stored features are.
    """
    seen = {
        one: _look(one, backbones[one.backbone], frames, packed_flow, params)
        for one in dict.fromkeys(asked.of_all_segments for asked in inputs)
    }
    return {asked: steps_of_clip(seen[asked.of_all_segments], asked.view, len(frames)) for asked in inputs}


def _look(
    one: Input, backbone: Backbone, frames: Frames, packed_flow: PackedFlow, params: FeatureParams
) -> StepFeatures:
    if one.stream == "rgb":
        images = rgb_input(backbone, see_frames(frames, one.view), params)
    else:
        images = flow_input(see_flow(packed_flow, one.view), params)
    return features_of(backbone, images, params)
