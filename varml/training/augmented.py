"""Clips that change from epoch to epoch, as the backbones see them, or as features of backbones that are frozen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, tee
from typing import NamedTuple

import torch
from torch import Tensor

from varml.config.params import Features as FeatureParams
from varml.config.views import PLAIN, View
from varml.models.backbones import Backbone
from varml.models.features import features_of, flow_input, rgb_input
from varml.training.batches import Batch, Draw, draw_views
from varml.training.clips import AugmentedClips, ClipSet, Place, StoredClip, load_clips
from varml.training.reproducible import generator_of
from varml.video.transforms.mixup import Mix, draw_mixes, mixed


class Row(NamedTuple):
    """One video of a batch: its ``inputs``, stream to (T, ...), and its ``label``, the share of each class (K,)."""

    inputs: dict[str, Tensor]
    label: Tensor


@dataclass(frozen=True)
class AugmentedImages:
    """Batches of images of changed clips, stream to (B, T, C, s, s), with mixup among the clips of a batch.

    It is a BatchSource. The images are standardised as ``backbones``, stream by stream, expect them. ``strength`` is
    from 0 to 1; at 0 the images are those of stored clips. Equal ``seed`` gives equal batches, whatever
    ``num_workers``: the processes that read and change clips while a network computes here (0: none).

    A clip is seen in one of ``views``, drawn as for stored features: answers are averaged over these views and no
    others, and a recogniser is made for the number of steps that they have.
    """

    clips: ClipSet
    backbones: Mapping[str, Backbone]
    features: FeatureParams
    strength: float
    seed: int
    num_workers: int
    views: Sequence[View] = (PLAIN,)

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batch of each draw; raises StoreError where stored frames or flow are missing or damaged."""
        for rows in self.rows(draws, streams):
            yield _stacked(rows)

    def rows(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Iterator[Row]]:
        """Yield the rows of the batch of each draw, one after the other: all at once would take 10 MB a clip."""
        ahead, draws = tee(draws)
        clips = AugmentedClips(self.clips, self.strength, self.seed)
        places = (place for draw in ahead for place in self._places(draw))
        loaded = load_clips(clips, places, self.num_workers)
        for draw in draws:
            needed = self._needed_rows(draw)
            chosen = dict(zip(needed, islice(loaded, len(needed)), strict=True))
            mixes = self.mixes(draw)
            yield (self._row(chosen, row, mixes[row], streams) for row in draw.own_rows.tolist())

    def mixes(self, draw: Draw) -> list[Mix]:
        """Return what is laid over each clip of a batch."""
        generator = generator_of("mixup", self.seed, draw.epoch, draw.number)
        return draw_mixes(len(draw.positions), self.strength, generator)

    def _places(self, draw: Draw) -> Iterator[Place]:
        positions, seen = draw.positions.tolist(), draw_views(draw, len(self.views), self.seed).tolist()
        for row in self._needed_rows(draw):
            yield Place(draw.epoch, draw.number, row, positions[row], self.views[seen[row]])

    def _needed_rows(self, draw: Draw) -> list[int]:
        # Those of other processes too where they are laid over own ones.
        own = draw.own_rows.tolist()
        if draw.rows is None:
            return own
        mixes = self.mixes(draw)
        return sorted({*own, *(mixes[row].partner for row in own)})

    def _row(self, clips: Mapping[int, StoredClip], row: int, mix: Mix, streams: tuple[str, ...]) -> Row:
        # Mixed as the backbones see them, where videos of all sizes have one size.
        clip, other = clips[row], clips[mix.partner]
        label, laid_over = (torch.from_numpy(one.label) for one in (clip, other))
        inputs = {s: mixed(self._images(clip, s), self._images(other, s), mix.share) for s in streams}
        return Row(inputs, mixed(label, laid_over, mix.share))

    def _images(self, clip: StoredClip, stream: str) -> Tensor:
        if stream == "rgb":
            return rgb_input(self.backbones[stream], clip.frames, self.features)
        return flow_input(clip.flow, self.features)


@dataclass(frozen=True)
class AugmentedFeatures:
    """Batches of the frozen backbones' features of ``images``, stream to (B, T, G, D); a BatchSource.

    At strength 0 they are those that are stored.
    """

    images: AugmentedImages

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batch of each draw; raises StoreError where stored frames or flow are missing or damaged."""
        for rows in self.images.rows(draws, streams):
            yield _stacked(Row(self._features(row.inputs), row.label) for row in rows)

    def _features(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        backbones, params = self.images.backbones, self.images.features
        return {s: torch.from_numpy(features_of(backbones[s], x, params)).float() for s, x in images.items()}


def _stacked(rows: Iterable[Row]) -> Batch:
    inputs, labels = zip(*rows, strict=True)
    return Batch({stream: torch.stack([one[stream] for one in inputs]) for stream in inputs[0]}, torch.stack(labels))
