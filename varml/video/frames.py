"""The stored frames of a video: decoded, sampled in time, turned upright, scaled, in even light."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from varml.config.params import Frames as FrameParams
from varml.ground.content_key import content_key
from varml.ground.paths import FRAMES
from varml.video.clip import Clip, open_clip
from varml.video.illumination import compensate
from varml.video.pack import SUFFIX, Pack, roundtrip, write_pack
from varml.video.reader import Frames, Times
from varml.video.sampling import sample_indices
from varml.video.scale import scale, scaled_size

# Raise it when the same video and params give other frames: every stored file then gets a new name.
VERSION = 3


@dataclass(frozen=True)
class FrameTask:
    """One video to extract; travels to a worker process."""

    clip: Clip
    target: Path
    params: FrameParams


@dataclass(frozen=True)
class Sampled:
    """``frames`` (S, F, H, W, 3) uint8 RGB of a clip, and when each is shown, (S, F) seconds from its first frame."""

    frames: Frames
    times_sec: Times


def frames_key(row: Any, params: FrameParams) -> str:
    """Return the name of the stored frames of one row of the manifest."""
    clip = {"start_sec": row.start_sec, "end_sec": row.end_sec}
    # Images carry no times; a video's are in its bytes.
    rate = {"fps": row.fps} if row.reader == "images" else {}
    return content_key(video=row.digest, reader=row.reader, frames=params.model_dump(), version=VERSION, **clip, **rate)


def frames_keys(manifest: pd.DataFrame, params: FrameParams) -> list[str]:
    """Return the name of the stored frames of each row."""
    return [frames_key(row, params) for row in manifest.itertuples()]


def frames_files(manifest: pd.DataFrame, params: FrameParams, root: Path = Path()) -> list[Path]:
    """Return the file of stored frames of each row, in the project at ``root``."""
    return [root / FRAMES / f"{key}{SUFFIX}" for key in frames_keys(manifest, params)]


def sample(clip: Clip, params: FrameParams) -> Sampled:
    """Return the frames of ``clip`` as they are before packing, with their times.

    Raises VideoError where they cannot be decoded.
    """
    source = open_clip(clip)
    indices = sample_indices(
        source.timestamps_sec, params.num_segments, params.frames_per_segment, params.frame_interval_sec
    )
    needed, places = np.unique(indices, return_inverse=True)
    size = scaled_size(clip.width, clip.height, params.short_side_px)
    scaled = [scale(frame, size) for frame in source.read(needed.tolist())]
    frames = compensate(np.stack(scaled)[places.reshape(indices.shape)], params.illumination)
    return Sampled(frames, source.timestamps_sec[indices])


def sample_frames(clip: Clip, params: FrameParams) -> Frames:
    """Return the frames of :func:`sample` alone, (S, F, H, W, 3) uint8 RGB."""
    return sample(clip, params).frames


def sample_stored(clip: Clip, params: FrameParams) -> Sampled:
    """Return the frames of ``clip`` exactly as :func:`read_frames` gives them after extraction, with their times.

    Raises VideoError where they cannot be decoded.
    """
    sampled = sample(clip, params)
    return Sampled(roundtrip(sampled.frames, params.jpeg_quality), sampled.times_sec)


def clip_frames(clip: Clip, params: FrameParams) -> Frames:
    """Return the frames of :func:`sample_stored` alone, (S, F, H, W, 3) uint8 RGB."""
    return sample_stored(clip, params).frames


def extract_frames(task: FrameTask) -> None:
    """Store the frames of one video."""
    frames = sample_frames(task.clip, task.params)
    write_pack(task.target, frames, task.params.jpeg_quality)


def frames_of(task: FrameTask) -> Frames:
    """Return what :func:`read_frames` gives after the extraction of one video, without storing it.

    Raises VideoError where it cannot be decoded.
    """
    return clip_frames(task.clip, task.params)


def read_frames(path: Path) -> Frames:
    """Return stored frames as (S, F, H, W, 3) uint8 RGB."""
    return Pack(path).read()


def read_middle_frames(path: Path) -> Frames:
    """Return the stored frames that RGB is seen in, the middle one of each segment, as (S, 1, H, W, 3) uint8."""
    pack = Pack(path)
    num_segments, num_frames = pack.leading
    first = middle_of(num_frames)
    return pack.read(range(first, num_segments * num_frames, num_frames))[:, None]


def middle_of(num_frames: int) -> int:
    """Return which of the frames of a segment is its middle one, the earlier of two."""
    return (num_frames - 1) // 2
