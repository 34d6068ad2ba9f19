"""One interface for all readers: presentation times of all frames, and the frames at given indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from varml.ground.registry import Registry

Frames = npt.NDArray[np.uint8]  # (T, H, W, 3), RGB
Times = npt.NDArray[np.float64]  # (T,), seconds from the first frame, ascending


class VideoReader(Protocol):
    """Random access to the upright frames of one video."""

    timestamps_sec: Times

    def read(self, indices: Sequence[int]) -> Frames:
        """Return the frames at ``indices``, each from 0 to T-1, as (len(indices), H, W, 3) uint8 RGB.

        Raises VideoError where the file ends early or is damaged.
        """
        ...


readers: Registry[Callable[[Path, int], VideoReader]] = Registry("video reader", "varml.video.readers")


def open_video(path: Path, reader: str, num_frames: int) -> VideoReader:
    """Open ``path`` with the reader of that name (``decord`` or ``pyav``).

    ``num_frames`` is how many frames decode, as :func:`varml.video.probe.probe_video` counts them.
    """
    return readers[reader](path, num_frames)
