"""What the worker process of a lane does: one strange file, from its path to frames as they are stored."""

from __future__ import annotations

from dataclasses import dataclass

from varml.errors import VideoError
from varml.video.reader import Frames
from varml.video.strange import StrangeVideo, read_strange


@dataclass(frozen=True)
class Unreadable:
    """Why a file gives no frames, in words that name no path."""

    reason: str


def decode_upload(video: StrangeVideo) -> Frames | Unreadable:
    """Return the frames of a file, (S, F, H, W, 3) uint8, or why there are none."""
    try:
        return read_strange(video).frames
    except VideoError as error:
        return Unreadable(str(error).replace(str(video.path), "the video"))
    except MemoryError:
        raise  # the worker says what its limit is
    except Exception:  # its words may name files of this machine
        return Unreadable("cannot be decoded")
