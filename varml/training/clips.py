"""Stored clips as training on pixels reads them: changed anew each time they are drawn, by several processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from varml.config.views import PLAIN, View
from varml.errors import VarmlError
from varml.flow.store import PackedFlow, compand, read_flow
from varml.ground.plugins import with_plugins
from varml.models.views import see
from varml.training.reproducible import generator_of
from varml.video.frames import read_middle_frames
from varml.video.reader import Frames
from varml.video.transforms.augment import augment
from varml.video.transforms.clip_tensors import ClipTensors, clip_tensors


@dataclass(frozen=True)
class ClipSet:
    """The files of stored frames and of stored flow of N videos, their classes, and each class's in a mirror (K,).

    ``bound_px`` is that of the stored flow.
    """

    frames: list[Path]
    flow: list[Path]
    labels: list[int]
    mirror: list[int]
    bound_px: float

    def subset(self, positions: Sequence[int]) -> ClipSet:
        """Return the videos at ``positions``."""
        frames, flow = ([files[i] for i in positions] for files in (self.frames, self.flow))
        return replace(self, frames=frames, flow=flow, labels=[self.labels[i] for i in positions])

    def read(self, position: int) -> ClipTensors:
        """Return the clip of the video at ``position``, of its frames the middle ones.

        Raises StoreError where a file is missing or damaged.
        """
        frames, flow = read_middle_frames(self.frames[position]), read_flow(self.flow[position])
        return clip_tensors(frames, flow, self.labels[position], len(self.mirror), self.mirror)


class Place(NamedTuple):
    """Where a clip stands in a training: in which epoch, batch and row of the batch, of which video, in which view."""

    epoch: int
    number: int
    row: int
    position: int
    view: View = PLAIN


@dataclass(frozen=True)
class StoredClip:
    """A clip in the form of the store, four times smaller than as tensors; an unchanged one is as it was stored.

    ``frames`` is (S, 1, H, W, 3) uint8, ``flow`` (S, F-1, 2H, W, 1) uint8, ``label`` (K,) float32 shares of classes.
    Arrays travel between processes through pipes: shared memory is 64 MB in many containers, and each tensor in it
    keeps a file open.
    """

    frames: Frames
    flow: PackedFlow
    label: npt.NDArray[np.float32]


class AugmentedClips(Dataset[StoredClip | VarmlError]):
    """Clips by their place, changed with ``strength`` from 0 to 1, then seen in a view.

    What a clip becomes follows from ``seed`` and its place alone, whichever process reads it.
    """

    def __init__(self, clips: ClipSet, strength: float, seed: int) -> None:
        self._clips, self._strength, self._seed = clips, strength, seed

    def __getitem__(self, place: Place) -> StoredClip | VarmlError:
        """Return the clip, or the error for whoever asked: a loader would wrap its words in a traceback."""
        try:
            clip = self._clips.read(place.position)
        except VarmlError as error:
            return error
        generator = generator_of("clip", self._seed, place.epoch, place.number, place.row)
        changed = as_stored(augment(clip, self._strength, generator), self._clips.bound_px)
        return in_view(changed, place.view, self._clips.mirror)


def load_clips(clips: AugmentedClips, places: Iterable[Place], num_workers: int) -> Iterator[StoredClip]:
    """Yield the clip at each place, in order; ``num_workers`` processes read ahead, 0 reads here.

    Raises StoreError where a file is missing or damaged.
    """
    loader = DataLoader(
        clips,
        batch_size=None,
        sampler=places,
        num_workers=num_workers,
        worker_init_fn=with_plugins(_start_worker),
        # Otherwise it draws its seed from the generator that training's dropout draws from.
        generator=torch.Generator(),
    )
    for clip in loader:
        if isinstance(clip, VarmlError):
            raise clip
        yield clip


def as_stored(clip: ClipTensors, bound_px: float) -> StoredClip:
    """Return ``clip`` in the form of the store."""
    levels = (clip.rgb * 255).round_().clamp_(0, 255).byte()
    frames = levels.movedim(2, -1).contiguous().numpy()
    return StoredClip(frames, compand(clip.flow.movedim(2, -1).numpy(), bound_px), clip.label.numpy())


def in_view(clip: StoredClip, view: View, mirror: Sequence[int]) -> StoredClip:
    """Return what ``view`` shows of a clip; ``mirror`` (K,) is the class that each class becomes in a mirror."""
    return StoredClip(*see(clip.frames, clip.flow, view), clip.label[mirror] if view.mirrored else clip.label)


def _start_worker(_: int) -> None:
    torch.set_num_threads(1)
