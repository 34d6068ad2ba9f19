"""A picture that shows one frame of each class."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from math import ceil, sqrt

import pandas as pd

from varml.config.params import Probe
from varml.ground.engine import map_isolated
from varml.video.clip import Clip, middle_frame
from varml.video.frame_folder import size_bytes
from varml.video.probe import probe_limit_sec
from varml.video.reader import Frames

MAX_CLASSES = 100
THUMBNAIL_PX = 160
_TILE_INCHES = 1.8


def class_frames(manifest: pd.DataFrame, clips: list[Clip], limits: Probe, num_workers: int) -> dict[str, Frames]:
    """Return the middle frame of the first training video of each class, of 100 classes at most.

    A class whose video cannot be decoded again is left out. The test videos are not looked at.
    """
    first = manifest[manifest["split"] == "train"].drop_duplicates("label").sort_values("label").head(MAX_CLASSES)
    labels = {clips[place]: label for place, label in first["label"].items()}
    outcomes = map_isolated(
        partial(middle_frame, short_side_px=THUMBNAIL_PX),
        list(labels),
        num_workers=num_workers,
        timeout_sec=lambda clip: probe_limit_sec(limits, size_bytes(clip.source.path)),
        memory_mb=limits.memory_mb,
    )
    found = {labels[outcome.item]: outcome.result for outcome in outcomes if outcome.result is not None}
    return dict(sorted(found.items()))


def contact_sheet(frames: Mapping[str, Frames]) -> bytes:
    """Return a png with each frame (H, W, 3) uint8 RGB under its class's name."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(ceil(sqrt(len(frames))), 1)
    rows = max(ceil(len(frames) / columns), 1)
    figure = Figure(figsize=(_TILE_INCHES * columns, _TILE_INCHES * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, (label, frame) in zip(figure.axes, frames.items(), strict=False):
        axes.imshow(frame)
        # A name is shown as it is: a dollar sign begins no formula.
        axes.set_title(label, fontsize=8, parse_math=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
