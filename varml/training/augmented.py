"""Features of clips that change from epoch to epoch: the frozen backbone sees each clip anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, tee

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from varml.config.params import Features as FeatureParams
from varml.flow.store import PackedFlow, compand
from varml.models.backbones import Backbone
from varml.models.features import features_of, flow_input, rgb_input
from varml.training.batches import Batch, Draw
from varml.training.clips import AugmentedClips, ClipSet, generator_of, load_clips
from varml.video.reader import Frames
from varml.video.transforms.clip_tensors import ClipTensors
from varml.video.transforms.mixup import Mix, draw_mixes, mixed


@dataclass(frozen=True)
class AugmentedFeatures:
    """Batches of features of changed clips, with mixup among the clips of a batch; a BatchSource.

    ``strength`` is from 0 to 1; at 0 the features are those that are stored. Equal ``seed`` gives equal batches,
    whatever ``num_workers``: the processes that read and change clips while the backbone computes here (0: none).
    """

    clips: ClipSet
    backbone: Backbone
    features: FeatureParams
    bound_px: float
    strength: float
    seed: int
    num_workers: int

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batch of each draw; raises StoreError where stored frames or flow are missing or damaged."""
        ahead, draws = tee(draws)
        places = ((draw.epoch, position) for draw in ahead for position in draw.positions.tolist())
        loaded = load_clips(AugmentedClips(self.clips, self.strength, self.seed), places, self.num_workers)
        for epoch, number, positions in draws:
            clips = list(islice(loaded, len(positions)))
            # The fourth number tells the generators of batches from those of clips.
            mixes = draw_mixes(len(clips), self.strength, generator_of(self.seed, epoch, number, 1))
            yield self._batch(positions, clips, mixes, streams)

    def _batch(
        self, positions: Tensor, clips: Sequence[ClipTensors], mixes: Sequence[Mix], streams: tuple[str, ...]
    ) -> Batch:
        pairs = [(clip, clips[mix.partner], mix.share) for clip, mix in zip(clips, mixes, strict=True)]
        features = {stream: np.stack([self._features(*pair, stream) for pair in pairs]) for stream in streams}
        targets = torch.stack([mixed(clip.label, other.label, share) for clip, other, share in pairs])
        return Batch(
            positions, {stream: torch.from_numpy(values).float() for stream, values in features.items()}, targets
        )

    def _features(
        self, clip: ClipTensors, other: ClipTensors, share: float, stream: str
    ) -> npt.NDArray[np.float16]:  # (T, G, D)
        # Mixed as the backbone sees them, where videos of all sizes have one size.
        images = mixed(self._input(clip, stream), self._input(other, stream), share)
        return features_of(self.backbone, images, self.features)

    def _input(self, clip: ClipTensors, stream: str) -> Tensor:
        if stream == "rgb":
            return rgb_input(self.backbone, stored_frames(clip), self.features)
        return flow_input(stored_flow(clip, self.bound_px), self.features)


def stored_frames(clip: ClipTensors) -> Frames:
    """Return the frames of ``clip`` in the form of the store, (S, F, H, W, 3) uint8; unchanged ones as they were."""
    return (clip.rgb.movedim(2, -1) * 255).round().clamp(0, 255).byte().contiguous().numpy()


def stored_flow(clip: ClipTensors, bound_px: float) -> PackedFlow:
    """Return the flow of ``clip`` in the form of the store, (S, F-1, 2H, W, 1) uint8; unchanged flow as it was."""
    return compand(clip.flow.movedim(2, -1).contiguous().numpy(), bound_px)
