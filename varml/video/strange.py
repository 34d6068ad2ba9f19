"""One strange file, from its path to frames as they are stored.

It stands apart from what uses the frames, so that a process which decodes need not import that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from varml.config.params import Frames as FrameParams
from varml.config.params import Probe
from varml.video.frames import Sampled, sample_stored
from varml.video.probe import clip_of, probe_video


@dataclass(frozen=True)
class StrangeVideo:
    """One file to decode; travels to a worker process.

    ``frame_rate`` is that of a folder of numbered images; where it is None, a folder is no video.
    """

    path: Path
    params: FrameParams
    limits: Probe
    frame_rate: float | None = None


def read_strange(video: StrangeVideo) -> Sampled:
    """Return the frames of a file as extraction would store them, and their times.

    Raises VideoError with the reason where it cannot be read.
    """
    rate = {} if video.frame_rate is None else {"frame_rate": video.frame_rate}
    return sample_stored(clip_of(video.path, probe_video(video.path, video.limits, **rate)), video.params)
