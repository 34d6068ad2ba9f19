"""One strange file, from its path to frames as they are stored: what prediction asks a killable process for.

It stands apart from the predictor so that the process need not import what the predictor does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from varml.config.params import Frames as FrameParams
from varml.config.params import Probe
from varml.video.frames import clip_frames
from varml.video.probe import clip_of, probe_video
from varml.video.reader import Frames


@dataclass(frozen=True)
class StrangeVideo:
    """One file to decode; travels to a worker process."""

    path: Path
    params: FrameParams
    limits: Probe


def read_strange(video: StrangeVideo) -> Frames:
    """Return the frames of a file as extraction would store them, (S, F, H, W, 3) uint8 RGB.

    Raises VideoError with the reason where it cannot be read.
    """
    return clip_frames(clip_of(video.path, probe_video(video.path, video.limits)), video.params)
