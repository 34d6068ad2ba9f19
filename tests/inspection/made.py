"""Inspections of made-up frames and flow."""

from __future__ import annotations

import numpy as np

from varml.flow.estimator import Flow
from varml.inspection.inspection import Inspection

HEIGHT, WIDTH = 48, 64


def inspection(flow: Flow, *, num_frames: int = 2, name: str = "a.mp4") -> Inspection:
    """Return an inspection with ``flow`` (S, F-1, H, W, 2) px over frames that are gray, each by its number."""
    num_segments, _, height, width, _ = flow.shape
    number = np.arange(num_segments * num_frames, dtype=np.uint8).reshape(num_segments, num_frames)
    frames = np.broadcast_to((40 + 4 * number)[..., None, None, None], (*number.shape, height, width, 3)).copy()
    return Inspection(name, f"{num_segments} segments", frames, number / 10, flow.astype(np.float32))


def moving(x: float, y: float, num_segments: int = 3, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Flow:
    """Return flow that is (x, y) px everywhere, (S, 1, H, W, 2)."""
    return np.broadcast_to(np.float32([x, y]), (num_segments, 1, *size, 2)).copy()


def moving_point(x: float, y: float) -> Flow:
    """Return flow that is (x, y) px around the middle of one segment, and zero elsewhere."""
    flow = np.zeros((1, 1, HEIGHT, WIDTH, 2), np.float32)
    flow[..., HEIGHT // 2 - 3 : HEIGHT // 2 + 3, WIDTH // 2 - 3 : WIDTH // 2 + 3, :] = (x, y)
    return flow
