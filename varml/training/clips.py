"""Stored clips as training on pixels reads them: changed anew each time they are drawn, by several processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from varml.errors import VarmlError
from varml.flow.store import read_flow
from varml.ground.plugins import with_plugins
from varml.video.frames import read_middle_frames
from varml.video.transforms.augment import augment
from varml.video.transforms.clip_tensors import ClipTensors, clip_tensors


@dataclass(frozen=True)
class ClipSet:
    """The files of stored frames and of stored flow of N videos, their classes, and each class's in a mirror (K,)."""

    frames: list[Path]
    flow: list[Path]
    labels: list[int]
    mirror: list[int]

    def read(self, position: int) -> ClipTensors:
        """Return the clip of the video at ``position``, of its frames the middle ones.

        Raises StoreError where a file is missing or damaged.
        """
        frames, flow = read_middle_frames(self.frames[position]), read_flow(self.flow[position])
        return clip_tensors(frames, flow, self.labels[position], len(self.mirror), self.mirror)


class AugmentedClips(Dataset[ClipTensors | VarmlError]):
    """Clips by (epoch, position), changed with ``strength`` from 0 to 1.

    What a clip becomes follows from ``seed``, the epoch and the position alone, whichever process reads it.
    """

    def __init__(self, clips: ClipSet, strength: float, seed: int) -> None:
        self._clips, self._strength, self._seed = clips, strength, seed

    def __getitem__(self, place: tuple[int, int]) -> ClipTensors | VarmlError:
        """Return the clip, or the error for whoever asked: a loader would wrap its words in a traceback."""
        epoch, position = place
        try:
            clip = self._clips.read(position)
        except VarmlError as error:
            return error
        return augment(clip, self._strength, generator_of(self._seed, epoch, position))


def load_clips(clips: AugmentedClips, places: Iterable[tuple[int, int]], num_workers: int) -> Iterator[ClipTensors]:
    """Yield the clip of each (epoch, position), in order; ``num_workers`` processes read ahead, 0 reads here.

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


def generator_of(*numbers: int) -> torch.Generator:
    """Return a generator that follows from ``numbers``, other numbers giving one that has nothing to do with it."""
    seed = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed) >> 1)


def _start_worker(_: int) -> None:
    torch.set_num_threads(1)
