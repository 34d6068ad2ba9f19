"""What PyAV shows of a file with no options at all: open, and decode one frame after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from varml.ground.engine import map_isolated

from .barcode import read_barcode

# Larger frames are counted and not read.
MOST_PIXELS = 1 << 20
MOST_PIXELS_IN_ALL = 1_000_000_000
MOST_FRAMES = 5000
LIMIT_SEC = 10


@dataclass(frozen=True)
class Plain:
    """The barcode and the time of each frame, up to the end or the first error."""

    barcodes: tuple[int | None, ...]
    times_sec: tuple[float | None, ...]
    error: str = ""

    @property
    def decodes(self) -> bool:
        """Whether all of the file decodes."""
        return bool(self.barcodes) and not self.error


def decode_plainly(path: Path) -> Plain:
    """Decode the first video stream of ``path``. Call it in a process that may be killed."""
    barcodes: list[int | None] = []
    times: list[float | None] = []
    error, pixels = "", 0
    try:
        with av.open(f"file:{path}") as container:
            for frame in container.decode(video=0):
                image = frame.to_ndarray(format="gray") if frame.width * frame.height <= MOST_PIXELS else None
                barcodes.append(
                    None if image is None else read_barcode(np.rot90(image, round(frame.rotation / 90) % 4))
                )
                times.append(frame.time)
                pixels += frame.width * frame.height
                if pixels > MOST_PIXELS_IN_ALL:
                    error = "has more pixels than are worth the wait"
                    break
                if len(times) == MOST_FRAMES:
                    break
    except (av.error.FFmpegError, IndexError, ValueError, UnicodeError) as caught:
        error = f"{type(caught).__name__}: {caught}"
    return Plain(tuple(barcodes), tuple(times), error)


def decode_all_plainly(source: Path, paths: Iterable[str]) -> dict[str, Plain]:
    """Return what decodes of each file of ``source``: nothing of one that takes longer than ten seconds."""
    named = {source / path: path for path in paths}
    outcomes = map_isolated(decode_plainly, list(named), num_workers=0, timeout_sec=LIMIT_SEC, memory_mb=4096)
    return {named[outcome.item]: outcome.result or Plain((), (), str(outcome.reason)) for outcome in outcomes}
