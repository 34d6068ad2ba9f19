"""What one file truly holds, from one sequential decode, and which reader gives its right frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from varml.errors import VideoError
from varml.video.gate import check_is_video_file
from varml.video.reader import Frames, open_video
from varml.video.readers.pyav import decode, demux_timestamps, upright_rgb

# Two decoders may convert colours with other rounding; frames of other content differ by more in the mean.
MAX_MEAN_DIFFERENCE = 3.0
NUM_SPOTS = 7


@dataclass(frozen=True)
class VideoInfo:
    """What the manifest says of one readable video; width and height are those of the upright frame."""

    num_frames: int
    fps: float
    duration_sec: float
    width: int
    height: int
    reader: str


def probe_video(path: Path) -> VideoInfo:
    """Decode ``path`` once and return what it holds.

    Raises VideoError with the reason where it cannot be read. Call it in a process that may be killed.
    """
    check_is_video_file(path)
    timestamps_sec = demux_timestamps(path)
    spots = _spot_indices(len(timestamps_sec))
    num_decoded, spot_frames = _decode_spots(path, spots)
    if num_decoded < len(timestamps_sec):
        spots = _spot_indices(num_decoded)
        timestamps_sec = timestamps_sec[:num_decoded]
        _, spot_frames = _decode_spots(path, spots)
    height, width = spot_frames[0].shape[:2]
    fps, duration_sec = _timing(timestamps_sec)
    reader = "decord" if _decord_agrees(path, num_decoded, spots, spot_frames) else "pyav"
    return VideoInfo(num_decoded, fps, duration_sec, width, height, reader)


def _spot_indices(num_frames: int) -> list[int]:
    return sorted({round(x) for x in np.linspace(0, num_frames - 1, NUM_SPOTS)})


def _decode_spots(path: Path, spots: list[int]) -> tuple[int, list[Frames]]:
    wanted = set(spots)
    frames, num_decoded = [], 0
    for frame in decode(path):
        if num_decoded in wanted:
            frames.append(upright_rgb(frame))
        num_decoded += 1
    if num_decoded == 0:
        raise VideoError("has no frame that can be decoded")
    return num_decoded, frames


def _timing(timestamps_sec: np.ndarray) -> tuple[float, float]:
    if len(timestamps_sec) == 1:
        return 0.0, 0.0
    frame_sec = float(np.median(np.diff(timestamps_sec)))
    duration_sec = float(timestamps_sec[-1]) + frame_sec
    return round(len(timestamps_sec) / duration_sec, 3), round(duration_sec, 3)


def _decord_agrees(path: Path, num_frames: int, spots: list[int], expected: list[Frames]) -> bool:
    try:
        reader = open_video(path, "decord")
        if len(reader) != num_frames:  # type: ignore[arg-type]
            return False
        frames = reader.read(spots)
    except VideoError:
        return False
    right = np.stack(expected).astype(np.int16) if len({f.shape for f in expected}) == 1 else None
    if right is None or frames.shape != right.shape:
        return False
    differences = np.abs(frames.astype(np.int16) - right).mean(axis=(1, 2, 3))
    return bool((differences <= MAX_MEAN_DIFFERENCE).all())
