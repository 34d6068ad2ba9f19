"""Features of clips that change from epoch to epoch: the frozen backbone sees each clip anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, tee

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from varml.config.params import Features as FeatureParams
from varml.models.backbones import Backbone
from varml.models.features import features_of, flow_input, rgb_input
from varml.training.batches import Batch, Draw
from varml.training.clips import AugmentedClips, ClipSet, Place, StoredClip, generator_of, load_clips
from varml.video.transforms.mixup import Mix, draw_mixes, mixed


@dataclass(frozen=True)
class AugmentedFeatures:
    """Batches of features of changed clips, with mixup among the clips of a batch; a BatchSource.

    ``strength`` is from 0 to 1; at 0 the features are those that are stored. Equal ``seed`` gives equal batches,
    whatever ``num_workers``: the processes that read and change clips while the backbones, stream by stream, compute
    here (0: none).
    """

    clips: ClipSet
    backbones: Mapping[str, Backbone]
    features: FeatureParams
    strength: float
    seed: int
    num_workers: int

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batch of each draw; raises StoreError where stored frames or flow are missing or damaged."""
        ahead, draws = tee(draws)
        clips = AugmentedClips(self.clips, self.strength, self.seed)
        loaded = load_clips(clips, (place for draw in ahead for place in _places(draw)), self.num_workers)
        for draw in draws:
            chosen = list(islice(loaded, len(draw.positions)))
            yield self._batch(chosen, self.mixes(draw), streams)

    def mixes(self, draw: Draw) -> list[Mix]:
        """Return what is laid over each clip of a batch."""
        generator = generator_of("mixup", self.seed, draw.epoch, draw.number)
        return draw_mixes(len(draw.positions), self.strength, generator)

    def _batch(self, clips: Sequence[StoredClip], mixes: Sequence[Mix], streams: tuple[str, ...]) -> Batch:
        pairs = [(clip, clips[mix.partner], mix.share) for clip, mix in zip(clips, mixes, strict=True)]
        features = {stream: np.stack([self._features(*pair, stream) for pair in pairs]) for stream in streams}
        labels = [mixed(torch.from_numpy(c.label), torch.from_numpy(other.label), share) for c, other, share in pairs]
        inputs = {stream: torch.from_numpy(values).float() for stream, values in features.items()}
        return Batch(inputs, torch.stack(labels))

    def _features(
        self, clip: StoredClip, other: StoredClip, share: float, stream: str
    ) -> npt.NDArray[np.float16]:  # (T, G, D)
        # Mixed as the backbone sees them, where videos of all sizes have one size. Each is scaled for itself and for
        # its partner: all of a batch at once would take 10 MB a clip.
        images = mixed(self._input(clip, stream), self._input(other, stream), share)
        return features_of(self.backbones[stream], images, self.features)

    def _input(self, clip: StoredClip, stream: str) -> Tensor:
        if stream == "rgb":
            return rgb_input(self.backbones[stream], clip.frames, self.features)
        return flow_input(clip.flow, self.features)


def _places(draw: Draw) -> Iterator[Place]:
    for row, position in enumerate(draw.positions.tolist()):
        yield Place(draw.epoch, draw.number, row, position)
