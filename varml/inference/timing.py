"""How long a model takes to answer, once a video is decoded."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from varml.inference.predictor import Predictor
from varml.video.reader import Frames

# Time is the median over so many videos.
NUM_TIMED = 5


def latency_ms(predictor: Predictor, clips: Sequence[Frames]) -> float:
    """Return the median time in milliseconds from the frames of one of ``clips`` to its answer, flow included.

    Each is (S, F, H, W, 3) uint8; the first is answered once before. The wall clock of this machine counts, with as
    many threads as torch has.
    """
    predictor.score(clips[0])
    taken = []
    for frames in clips:
        start = time.perf_counter()
        predictor.score(frames)
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)
