"""One interface for all readers: presentation times of all frames, and the frames at given indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from varml.ground.registry import Registry

Frames = npt.NDArray[np.uint8]  # (T, H, W, 3), RGB
Times = npt.NDArray[np.float64]  # (T,), seconds from the first frame, ascending


@dataclass(frozen=True)
class Source:
    """One video and how it is read, as :func:`varml.video.probe.probe_video` found it.

    ``num_frames`` is how many frames decode. ``indexed`` says that the container's packets tell the time of each
    frame and that decoding may begin at a key frame. ``fps`` is needed where images carry no times.
    """

    path: Path
    reader: str
    num_frames: int
    indexed: bool = False
    fps: float = 25.0


class VideoReader(Protocol):
    """Random access to the upright frames of one video."""

    timestamps_sec: Times

    def read(self, indices: Sequence[int]) -> Frames:
        """Return the frames at ``indices``, each from 0 to T-1, as (len(indices), H, W, 3) uint8 RGB.

        Raises VideoError where the file ends early or is damaged.
        """
        ...


readers: Registry[Callable[[Source], VideoReader]] = Registry("video reader", "varml.video.readers")


def open_video(source: Source) -> VideoReader:
    """Open a video with the reader that it names (``decord``, ``pyav`` or ``images``)."""
    return readers[source.reader](source)
