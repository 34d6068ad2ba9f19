"""PyAV, decoding from the first frame on: slow, and right on every file that FFmpeg can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np

from varml.errors import VideoError
from varml.video.gate import DEMUXERS
from varml.video.reader import Frames, Times, readers

# Only whole files may be opened: no protocol that a container could name reaches the network or another file.
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(DEMUXERS)}


@readers.register("pyav")
class PyavReader:
    """Sequential decode of the default video stream."""

    def __init__(self, path: Path, num_frames: int) -> None:
        self._path = path
        self.timestamps_sec = timestamps_of(path, num_frames)

    def read(self, indices: Sequence[int]) -> Frames:
        """Return the frames at ``indices`` (see :class:`varml.video.reader.VideoReader`)."""
        wanted = set(indices)
        found = {}
        for index, frame in enumerate(decode(self._path)):
            if index in wanted:
                found[index] = upright_rgb(frame)
            if len(found) == len(wanted):
                break
        missing = sorted(wanted - set(found))
        if missing:
            raise VideoError(f"frame {missing[0]} cannot be decoded")
        return np.stack([found[index] for index in indices])


def decode(path: Path) -> Iterator[Any]:
    """Yield each frame of the default video stream (``av.VideoFrame``) in order of presentation."""
    with _video(path) as (container, stream):
        yield from container.decode(stream)


def timestamps_of(path: Path, num_frames: int) -> Times:
    """Return the presentation times of the ``num_frames`` frames that decode, in seconds from the first.

    The container's packets tell them without decoding, unless it has packets that give no frame (AVI with
    B-frames has): then the frames are decoded for their times.
    """
    with _video(path) as (container, stream):
        ticks = [packet.pts for packet in container.demux(stream) if packet.size]
        if len(ticks) == num_frames:
            return _ascending_seconds(ticks, stream)
    with _video(path) as (container, stream):
        return _ascending_seconds([frame.pts for frame in container.decode(stream)], stream)


def has_leading_frames(path: Path) -> bool:
    """Return whether a frame is shown before the key frame that precedes it in the file (an open GOP)."""
    with _video(path) as (container, stream):
        key_time: int | None = None
        for packet in container.demux(stream):
            if packet.is_keyframe and packet.pts is not None:
                key_time = packet.pts
            elif key_time is not None and packet.pts is not None and packet.pts < key_time:
                return True
    return False


def _ascending_seconds(ticks: Sequence[int | None], stream: Any) -> Times:
    # Frames without a time of their own are spaced by the frame rate.
    rate = float(stream.average_rate or stream.guessed_rate or stream.base_rate or 25)
    if not ticks:
        raise VideoError("has no frame that can be decoded")
    known = [tick for tick in ticks if tick is not None]
    if len(known) < len(ticks) or len(set(known)) < len(known):
        return np.arange(len(ticks), dtype=np.float64) / rate
    seconds = np.sort(np.asarray(known, dtype=np.float64)) * float(stream.time_base)
    return seconds - seconds[0]


def upright_rgb(frame: Any) -> Frames:
    """Return one frame as (H, W, 3) uint8 RGB, turned as its container asks."""
    quarter_turns = round(frame.rotation / 90) % 4
    image = frame.to_ndarray(format="rgb24")
    # FFmpeg's display angle is counter-clockwise, and so are np.rot90's turns.
    return np.ascontiguousarray(np.rot90(image, quarter_turns))


@contextmanager
def _video(path: Path) -> Iterator[tuple[Any, Any]]:
    try:
        # "file:" keeps a name that begins like a protocol or an option from being taken for one.
        with av.open(f"file:{path}", options=_OPTIONS, metadata_errors="ignore") as container:
            if not container.streams.video:
                raise VideoError("has no video stream")
            stream = container.streams.best("video") or container.streams.video[0]
            stream.thread_type = "NONE"  # one thread: a damaged file gives the same frames each time
            yield container, stream
    except av.error.FFmpegError as error:
        raise VideoError(f"cannot be decoded: {error.strerror or error}") from error
