"""What is served: one recogniser or several whose probabilities are averaged, calibrated by a temperature.

Evaluation and prediction both go through :meth:`Ensemble.predict`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from varml.config.params import Features as FeatureParams
from varml.flow.store import PackedFlow
from varml.ground.threads import one_thread
from varml.models.backbones import Backbone
from varml.models.features import StreamFeatures, features_of, flow_input, mirror_video, rgb_input
from varml.models.recognizer import Recognizer
from varml.video.reader import Frames

BATCH = 256
MIRRORED = "_mirrored"
Probabilities = npt.NDArray[np.float32]  # (N, K), rows sum to 1


@dataclass(frozen=True)
class Member:
    """A recogniser of an ensemble: its share, and the key of the backbone that gives it the features of a stream.

    With ``mirror`` it answers on the video as it is and in a mirror, each for half of its share.
    """

    recognizer: Recognizer
    weight: float
    backbones: Mapping[str, str]
    mirror: bool = False

    @property
    def views(self) -> list[str]:
        """What is added to the names of streams in each view that it answers on."""
        return ["", MIRRORED] if self.mirror else [""]


class Ensemble(nn.Module):
    """Features by backbone and stream in, calibrated class probabilities out.

    The features of a stream in a mirror have its name and :data:`MIRRORED`. ``mirror`` (K,) is the place of the class
    that each class becomes there; without it classes stay.
    """

    def __init__(self, members: Sequence[Member], temperature: float, mirror: Sequence[int] | None = None) -> None:
        super().__init__()
        self.recognizers = nn.ModuleList(member.recognizer for member in members)
        self.members, self.temperature, self.mirror = list(members), temperature, mirror

    @property
    def inputs(self) -> list[tuple[str, str]]:
        """The pairs of backbone key and stream, perhaps in a mirror, whose features are read, each once."""
        read = {(m.backbones[s], s + view) for m in self.members for s in m.recognizer.streams for view in m.views}
        return sorted(read)

    def forward(self, features: Mapping[str, Mapping[str, Tensor]]) -> Tensor:
        """Return probabilities (B, K) of features, backbone key to stream to (B, T, G, D)."""
        return with_temperature(self.scores(features), self.temperature)

    def scores(self, features: Mapping[str, Mapping[str, Tensor]]) -> Tensor:
        """Return the logits (B, K) of a single member and view, or the logarithm of the mean of all probabilities."""
        answers = [(member, view) for member in self.members for view in member.views]
        logits = [self._logits(member, view, features) for member, view in answers]
        if len(logits) == 1:
            return logits[0]
        weights = [math.log(member.weight / len(member.views)) for member, _ in answers]
        return torch.stack([s.log_softmax(-1) + w for s, w in zip(logits, weights, strict=True)]).logsumexp(0)

    def _logits(self, member: Member, view: str, features: Mapping[str, Mapping[str, Tensor]]) -> Tensor:
        logits = member.recognizer(_of_member(member, view, features))
        return logits[:, self.mirror] if view and self.mirror is not None else logits

    def predict(
        self, features: Mapping[str, Mapping[str, npt.NDArray[Any]]], *, calibrated: bool = True
    ) -> Probabilities:
        """Return probabilities (N, K) of features, backbone key to stream to (N, T, G, D).

        Those that are not ``calibrated`` are what the members say, before the temperature.
        """
        tensors = {k: {s: torch.from_numpy(a) for s, a in streams.items()} for k, streams in features.items()}
        (num_videos,) = {len(array) for streams in features.values() for array in streams.values()}
        self.eval()
        with one_thread(), torch.inference_mode():
            batches = torch.arange(num_videos).split(BATCH)
            scores = [self.scores({k: _chosen(streams, b) for k, streams in tensors.items()}) for b in batches]
            parts = [with_temperature(s, self.temperature if calibrated else 1.0) for s in scores]
        return np.asarray(torch.cat(parts).numpy())


def with_temperature(scores: Tensor, temperature: float) -> Tensor:
    """Return the probabilities softmax(s / T) of ``scores``, logits or log-probabilities (B, K)."""
    return (scores / temperature).softmax(-1)


def compute_inputs(
    inputs: Sequence[tuple[str, str]],
    backbones: Mapping[str, Backbone],
    frames: Frames,
    packed_flow: PackedFlow,
    params: FeatureParams,
) -> dict[str, StreamFeatures]:
    """Return the features of one video, backbone key to stream to (T, G, D) float16, for each of ``inputs`` once.

    ``frames`` and ``packed_flow`` are as stored (see :func:`varml.models.features.compute_features`).
    """
    videos = {"": (frames, packed_flow)}
    if any(stream.endswith(MIRRORED) for _, stream in inputs):
        videos[MIRRORED] = mirror_video(frames, packed_flow)
    features: dict[str, StreamFeatures] = {}
    for key, read in inputs:
        stream = read.removesuffix(MIRRORED)
        seen, flow = videos[read.removeprefix(stream)]
        images = rgb_input(backbones[key], seen, params) if stream == "rgb" else flow_input(flow, params)
        features.setdefault(key, {})[read] = features_of(backbones[key], images, params)
    return features


def _of_member(member: Member, view: str, features: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {stream: features[member.backbones[stream]][stream + view] for stream in member.recognizer.streams}


def _chosen(streams: Mapping[str, Tensor], positions: Tensor) -> dict[str, Tensor]:
    return {stream: values[positions].float() for stream, values in streams.items()}
