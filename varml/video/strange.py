"""One strange file, from its path to frames as they are stored, decoded in a process that may be killed.

It stands apart from what uses the frames, so that the process need not import that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from varml.config.params import Frames as FrameParams
from varml.config.params import Probe
from varml.errors import VideoError
from varml.ground.engine import map_isolated
from varml.video.frame_folder import size_bytes
from varml.video.frames import Sampled, sample_stored
from varml.video.probe import clip_of, probe_limit_sec, probe_video


@dataclass(frozen=True)
class StrangeVideo:
    """One file to decode; travels to a worker process.

    ``frame_rate`` is that of a folder of numbered images; where it is None, a folder is no video.
    """

    path: Path
    params: FrameParams
    limits: Probe
    frame_rate: float | None = None


def read_isolated(video: StrangeVideo) -> Sampled:
    """Return what :func:`read_strange` does, from a process that is killed when it passes a limit of ``limits``.

    Raises VideoError with the name of the file and the reason where it cannot be read.
    """
    (outcome,) = map_isolated(
        read_strange,
        [video],
        num_workers=1,
        timeout_sec=probe_limit_sec(video.limits, _size_bytes(video)),
        memory_mb=video.limits.memory_mb,
    )
    if outcome.result is None:
        raise VideoError(f"{video.path} cannot be used: {outcome.reason}")
    return outcome.result


def read_strange(video: StrangeVideo) -> Sampled:
    """Return the frames of a file as extraction would store them, and their times.

    Raises VideoError with the reason where it cannot be read.
    """
    rate = {} if video.frame_rate is None else {"frame_rate": video.frame_rate}
    return sample_stored(clip_of(video.path, probe_video(video.path, video.limits, **rate)), video.params)


def _size_bytes(video: StrangeVideo) -> int:
    # Not the methods of Path, which raise where a name is too long.
    is_folder = video.frame_rate is not None and os.path.isdir(video.path)  # noqa: PTH112
    if not is_folder and not os.path.isfile(video.path):  # noqa: PTH113
        raise VideoError(f"{video.path} does not exist or is no regular file; name a video file")
    try:
        return size_bytes(video.path)
    except VideoError as error:
        raise VideoError(f"{video.path} cannot be used: {error}") from error
