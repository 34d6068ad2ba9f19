"""PyAV: right on every file that FFmpeg can read. What is not needed is skipped before it is decoded.

Two things are skipped where the packets tell the frames' times, and neither changes a bit of the frames that are
kept: groups of pictures in which nothing is wanted, and frames that no other frame refers to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from varml.errors import VideoError
from varml.video.container import (
    PacketIndex,
    UprightRgb,
    decode_stream,
    demux,
    ffmpeg_errors,
    gives_frame,
    index_of,
    nominal_fps,
    open_stream,
    seconds_from_first,
)
from varml.video.reader import Frames, Source, Times, readers

# Decoders in which FFmpeg's NONREF leaves out frames that truly nothing refers to. HEVC's sub-layers may refer
# to what it calls non-reference.
_SKIPS_SAFELY = ("h264", "mpeg4", "mpeg1video", "mpeg2video")
# Up to so many bytes of packets, or of decoded frames, are kept between finding out the times and reading.
KEPT_BYTES = 64 << 20


@readers.register("pyav")
class PyavReader:
    """Reads by the packets' index where the video has one, else decodes in order from the first frame on."""

    def __init__(self, source: Source) -> None:
        indexed = _Indexed(source) if source.indexed else None
        # A file that was changed since it was probed is read in order, which then says what is wrong.
        usable = indexed is not None and indexed.index is not None and len(indexed.index.pts) == source.num_frames
        self._way = indexed if indexed is not None and usable else _InOrder(source)
        self.timestamps_sec = self._way.timestamps_sec

    def read(self, indices: Sequence[int]) -> Frames:
        """Return the frames at ``indices`` (see :class:`varml.video.reader.VideoReader`)."""
        upright_rgb = UprightRgb()
        with ffmpeg_errors():
            found = {place: upright_rgb(frame) for place, frame in self._way.frames(set(indices))}
        missing = sorted(set(indices) - set(found))
        if missing:
            raise VideoError(f"frame {missing[0]} cannot be decoded")
        return np.stack([found[index] for index in indices])


class _InOrder:
    """All frames are decoded for their times; those of a small video are kept for reading."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kept: list[Any] | None = []
        ticks, size = [], 0
        with open_stream(source.path) as (container, stream):
            for frame in decode_stream(container, stream, lambda _: None):
                ticks.append(frame.pts)
                size += sum(plane.buffer_size for plane in frame.planes)
                if self._kept is not None:
                    self._kept.append(frame)
                if size > KEPT_BYTES:
                    self._kept = None
            self.timestamps_sec = seconds_from_first(ticks, float(stream.time_base or 0), nominal_fps(stream))

    def frames(self, wanted: set[int]) -> Iterator[tuple[int, Any]]:
        """Yield the wanted frames with their places."""
        for place, frame in enumerate(self._decoded()):
            if place in wanted:
                yield place, frame
            if place == max(wanted):
                return

    def _decoded(self) -> Iterator[Any]:
        if self._kept is not None:
            yield from self._kept
            return
        with open_stream(self._source.path) as (container, stream):
            yield from decode_stream(container, stream, lambda _: None)


class _Indexed:
    """The packets are read for their times; those of a small file are kept, which stays open as long as this lives."""

    def __init__(self, source: Source) -> None:
        self._source, self._file = source, ExitStack()
        container, stream = self._file.enter_context(open_stream(source.path))
        with ffmpeg_errors():
            small = source.path.stat().st_size <= KEPT_BYTES
            packets = list(demux(container, stream)) if small else demux(container, stream)
            self.index = index_of(packets, stream)
        self._stream, self._kept = stream, packets if small else None

    @property
    def timestamps_sec(self) -> Times:
        """Presentation times of all frames in seconds from the first."""
        assert self.index is not None
        return seconds_from_first(self.index.shown.tolist(), self.index.tick_sec, self._source.fps or 25.0)

    def frames(self, wanted: set[int]) -> Iterator[tuple[int, Any]]:
        """Yield the wanted frames with their places."""
        assert self.index is not None
        shown = self.index.shown
        places = {int(shown[place]): place for place in wanted if place < len(shown)}
        if self._kept is not None:
            self._stream.codec_context.flush_buffers()
            found = _wanted_frames(self._kept, self._stream.codec_context, self.index, places)
            yield from ((places[frame.pts], frame) for frame in found)
            return
        with open_stream(self._source.path) as (container, stream):
            found = _wanted_frames(demux(container, stream), stream.codec_context, self.index, places)
            yield from ((places[frame.pts], frame) for frame in found)


def _wanted_frames(packets: Iterable[Any], context: Any, index: PacketIndex, ticks: Iterable[int]) -> Iterator[Any]:
    """Yield the frames shown at ``ticks``, each once, decoding as few packets as they need."""
    wanted = frozenset(ticks)
    left, place, decoding = set(wanted), 0, True
    skip = "NONREF" if context.name in _SKIPS_SAFELY else "DEFAULT"
    for packet in packets:
        if not left:
            return
        needed = index.start_of(min(left)) <= place
        if needed and not decoding:
            context.flush_buffers()  # what came before the gap must not be referred to
        decoding = needed
        place += gives_frame(packet)
        if not decoding:
            continue
        context.skip_frame = "DEFAULT" if packet.pts in wanted else skip
        for frame in packet.decode():
            if frame.pts in left:
                left.remove(frame.pts)
                yield frame
