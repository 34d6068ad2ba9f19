"""decord: fast random access, used where probing found its frames equal to PyAV's."""

from __future__ import annotations

from collections.abc import Sequence

import decord
import numpy as np

from varml.errors import VideoError, first_line
from varml.video.reader import Frames, Source, readers
from varml.video.readers.pyav import PyavReader

decord.logging.set_level(decord.logging.FATAL)


@readers.register("decord")
class DecordReader:
    """decord's VideoReader with one thread: with its default threads a damaged file gives varying frames."""

    def __init__(self, source: Source) -> None:
        try:
            self._reader = decord.VideoReader(str(source.path), num_threads=1)
        except (decord.DECORDError, RuntimeError, UnicodeError) as error:
            raise VideoError(f"decord cannot open it: {first_line(error)}") from error
        if len(self._reader) != source.num_frames:
            raise VideoError(f"decord counts {len(self._reader)} frames where {source.num_frames} decode")
        self.timestamps_sec = PyavReader(source).timestamps_sec

    def read(self, indices: Sequence[int]) -> Frames:
        """Return the frames at ``indices`` (see :class:`varml.video.reader.VideoReader`)."""
        try:
            return np.asarray(self._reader.get_batch(list(indices)).asnumpy())
        except (decord.DECORDError, RuntimeError, IndexError) as error:
            raise VideoError(f"decord cannot decode it: {first_line(error)}") from error
