"""What FFmpeg says of a file: the stream that is read, its packets, its frames. Nothing here picks frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from varml.errors import VideoError
from varml.video.gate import DEMUXERS
from varml.video.orientation import orientation_of
from varml.video.reader import Frames, Times

# Only whole files may be opened: no protocol that a container could name reaches the network or another file.
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(DEMUXERS)}

MAX_RETRIES = 1000
# Frames that a decoder holds back at most (H.264, table A-1); damage disturbs times by as much.
MAX_REORDERED = 16

Ticks = npt.NDArray[np.int64]  # presentation times in units of the stream's time base


@contextmanager
def open_stream(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open ``path`` and give its container and its default video stream, which decodes with one thread.

    Raises VideoError where there is none, or where FFmpeg fails on the way.
    """
    # "file:" keeps a name that begins like a protocol or an option from being taken for one.
    with ffmpeg_errors(), av.open(f"file:{path}", options=_OPTIONS, metadata_errors="ignore") as container:
        stream = _video_stream(container)
        stream.thread_type = "NONE"  # one thread: a damaged file gives the same frames each time
        yield container, stream


@contextmanager
def ffmpeg_errors() -> Iterator[None]:
    """Turn what FFmpeg raises into VideoError."""
    try:
        yield
    except av.error.FFmpegError as error:
        # What FFmpeg borrows from the system, such as "Device or resource busy", says nothing of a file.
        own = isinstance(error, av.error.InvalidDataError | av.error.EOFError)
        reason = error.strerror if own else f"FFmpeg gives up on its data, error {error.errno}"
        raise VideoError(f"cannot be decoded: {reason}") from error


def _video_stream(container: Any) -> Any:
    if not container.streams.video:
        raise VideoError("has no video stream")
    stream = container.streams.best("video") or container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError("its video is in a format that FFmpeg does not decode; encode it again")
    if stream.disposition & av.stream.Disposition.attached_pic:
        raise VideoError("has no video stream, only a cover picture")
    return stream


def decode(path: Path) -> Iterator[Any]:
    """Yield each frame of the default video stream (``av.VideoFrame``) in order of presentation."""
    with open_stream(path) as (container, stream):
        yield from decode_stream(container, stream, lambda packet: None)


def demux(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets of ``stream``, the last one empty; raises VideoError where the container is too damaged."""
    for _ in range(MAX_RETRIES):
        try:
            yield from container.demux(stream)
        except av.error.BlockingIOError:
            continue  # the demuxer has met damage and asks to be called again
        except IndexError as error:
            raise VideoError("is damaged: a stream appears in it that its header does not name") from error
        return
    raise VideoError("is damaged: its packets cannot be told apart")


def decode_stream(container: Any, stream: Any, on_failure: Callable[[Any], None]) -> Iterator[Any]:
    """Yield each frame of ``stream``; a packet that cannot be decoded is handed to ``on_failure`` and left out."""
    for packet in demux(container, stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            on_failure(packet)
        else:
            yield from frames


class UprightRgb:
    """Turns frames of one video into RGB arrays; to set the conversion up takes longer than to convert a frame."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> Frames:
        """Return one frame as (H, W, 3) uint8 RGB, turned as its container asks."""
        image: Frames = np.asarray(self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray(), np.uint8)
        return np.ascontiguousarray(orientation_of(frame).apply(image))


@dataclass(frozen=True)
class PacketIndex:
    """The packets that give a frame each, in the order of decoding: presentation times, and which are key frames.

    ``pts`` is (T,) int64 ticks of ``tick_sec`` seconds, ``is_key`` is (T,) bool.
    """

    pts: Ticks
    is_key: npt.NDArray[np.bool_]
    tick_sec: float

    @property
    def shown(self) -> Ticks:
        """Presentation times in order of presentation."""
        return np.sort(self.pts)

    @property
    def has_leading_frames(self) -> bool:
        """Whether a frame is shown before the key frame that precedes it in the file (an open GOP)."""
        key_times = self.pts[self.is_key]
        last_key = np.cumsum(self.is_key) - 1
        behind = last_key >= 0
        return bool((self.pts[behind] < key_times[last_key[behind]]).any())

    def start_of(self, tick: int) -> int:
        """Return the position of the packet from which decoding must begin to give the frame of ``tick``."""
        keys = np.flatnonzero(self.is_key & (self.pts <= tick))
        return int(keys[-1]) if len(keys) else 0


def index_of(packets: Iterable[Any], stream: Any) -> PacketIndex | None:
    """Return the index of a stream's packets, or None where they do not tell each frame's own time."""
    given = [(packet.pts, packet.is_keyframe) for packet in packets if gives_frame(packet)]
    times = [pts for pts, _ in given]
    if not times or None in times or len(set(times)) < len(times) or not stream.time_base:
        return None
    is_key = np.array([key for _, key in given], np.bool_)
    return PacketIndex(np.array(times, np.int64), is_key, float(stream.time_base))


def gives_frame(packet: Any) -> bool:
    """Whether a packet holds a frame that is shown; the last packet of a stream is empty."""
    return bool(packet.size) and not packet.is_discard


def seconds_from_first(ticks: Sequence[int | None], tick_sec: float, fps: float) -> Times:
    """Return presentation times as ascending seconds from the first; made-up times are replaced by even ones.

    ``ticks`` are those of the frames in the order in which they are decoded, which is that of presentation. Times
    that are missing, all equal, or that fall back further than a decoder reorders are made up.
    """
    even = np.arange(len(ticks), dtype=np.float64) / fps
    if not ticks or None in ticks or not tick_sec:
        return even
    given = np.array(ticks, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    if given.min() == given.max() or np.abs(order - np.arange(len(order))).max() > MAX_REORDERED:
        return even
    seconds = (given[order] - given.min()) * tick_sec
    if len(seconds) > 2 and seconds[-1] == seconds[-2]:
        # MPEG-1's last frame repeats the time of the one before; it is shown after it.
        seconds[-1] += float(np.median(np.diff(seconds)))
    return seconds


def nominal_fps(stream: Any) -> float:
    """Return the frame rate that the container states, or 25."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or 25)
