"""TV-L1 of opencv-contrib in a process of its own, the opponent of :mod:`benchmarks.flow` and :mod:`benchmarks.motion`.

opencv-contrib holds all of OpenCV once more and must not be installed beside it, so it lies in a folder of its own::

    pip install --no-deps --target DIR opencv-contrib-python-headless

The process reads pickled pairs of gray images and answers each with the seconds of CPU that it took, and the flow.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

OPPONENT = "TV-L1"
NO_CONTRIB = "--contrib names no folder of opencv-contrib (benchmarks/tvl1.py says how)"
Image = npt.NDArray[Any]


class TvL1:
    """The running process; ``contrib`` is the folder that holds opencv-contrib."""

    def __init__(self, contrib: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(contrib.resolve())}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([sys.executable, __file__], env=environment, **pipes)  # type: ignore[call-overload]

    def __enter__(self) -> TvL1:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.stdin.close()
        self._process.wait()

    def estimate(self, previous: Image, following: Image) -> tuple[float, Image]:
        """Return the seconds of CPU, on one thread, and the flow (H, W, 2) float32 px."""
        pickle.dump((previous, following), self._process.stdin)
        self._process.stdin.flush()
        seconds, flow = pickle.load(self._process.stdout)
        return float(seconds), flow


def serve() -> None:
    """Answer pairs until there are no more."""
    import cv2

    cv2.setNumThreads(1)
    while True:
        try:
            pair = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        start = time.process_time()
        flow = cv2.optflow.createOptFlow_DualTVL1().calc(*pair, None)  # type: ignore[attr-defined]
        pickle.dump((time.process_time() - start, np.asarray(flow)), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve()
