"""PyAV: right on every file that FFmpeg can read. What is not needed is skipped before it is decoded.

Two things are skipped where the packets tell the frames' times, and neither changes a bit of the frames that are
kept: groups of pictures in which nothing is wanted, and frames that no other frame refers to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from varml.errors import VideoError
from varml.video.container import (
    PacketIndex,
    decode,
    decode_stream,
    nominal_fps,
    open_stream,
    read_packets,
    seconds_from_first,
    upright_rgb,
)
from varml.video.reader import Frames, Source, Times, readers

# Decoders in which FFmpeg's NONREF leaves out frames that truly nothing refers to. HEVC's sub-layers may refer
# to what it calls non-reference.
_SKIPS_SAFELY = ("h264", "mpeg4", "mpeg1video", "mpeg2video")


@readers.register("pyav")
class PyavReader:
    """Decodes from the nearest key frame where the video is indexed, else from the first frame on."""

    def __init__(self, source: Source) -> None:
        self._path = source.path
        self._index = packet_index(source)
        self.timestamps_sec = frame_times(source, self._index)

    def read(self, indices: Sequence[int]) -> Frames:
        """Return the frames at ``indices`` (see :class:`varml.video.reader.VideoReader`)."""
        wanted = sorted(set(indices))
        found = self._read_all(wanted) if self._index is None else self._read_indexed(self._index, wanted)
        missing = [index for index in wanted if index not in found]
        if missing:
            raise VideoError(f"frame {missing[0]} cannot be decoded")
        return np.stack([found[index] for index in indices])

    def _read_all(self, wanted: list[int]) -> dict[int, Frames]:
        found: dict[int, Frames] = {}
        for index, frame in enumerate(decode(self._path)):
            if index in wanted:
                found[index] = upright_rgb(frame)
            if len(found) == len(wanted):
                break
        return found

    def _read_indexed(self, index: PacketIndex, wanted: list[int]) -> dict[int, Frames]:
        shown = index.shown
        places = {int(shown[place]): place for place in wanted if place < len(shown)}
        with open_stream(self._path) as (container, stream):
            try:
                frames = _WantedFrames(container, stream, index, places)
                return {places[frame.pts]: upright_rgb(frame) for frame in frames}
            except _LostError:
                return self._read_all(wanted)


def packet_index(source: Source) -> PacketIndex | None:
    """Return the packets of an indexed video; None where frames must be decoded for their times."""
    index = read_packets(source.path) if source.indexed else None
    # A file that was changed since it was probed is read the slow way, which then says what is wrong.
    return index if index is not None and len(index.pts) == source.num_frames else None


def frame_times(source: Source, index: PacketIndex | None) -> Times:
    """Return the presentation times of all frames in seconds from the first; see :func:`packet_index`."""
    if index is not None:
        return seconds_from_first(index.pts.tolist(), index.tick_sec, 0.0)
    with open_stream(source.path) as (container, stream):
        ticks = [frame.pts for frame in decode_stream(container, stream, lambda _: None)]
        return seconds_from_first(ticks, float(stream.time_base or 0), nominal_fps(stream))


class _LostError(Exception):
    """The container did not seek to where its packets say that the key frame is."""


class _WantedFrames:
    """Iterates over the frames shown at the ``wanted`` ticks, each once, decoding as little as it can."""

    def __init__(self, container: Any, stream: Any, index: PacketIndex, wanted: Iterable[int]) -> None:
        self._container, self._stream, self._index = container, stream, index
        self._left = set(wanted)
        self._places = {int(tick): place for place, tick in enumerate(index.pts)}
        # What else is decoded does not matter, so a frame is skipped unless it is wanted by anyone.
        self._wanted = frozenset(self._left)
        self._skip = "NONREF" if stream.codec_context.name in _SKIPS_SAFELY else "DEFAULT"
        self._packets = container.demux(stream)
        self._place = 0  # of the next packet, in the order of decoding

    def __iter__(self) -> Iterator[Any]:
        while self._left:
            tick = min(self._left)
            self._go_to(self._index.start_of(tick))
            yield from self._decode_until(tick)
            if tick in self._left:
                return  # the file ended before it

    def _go_to(self, place: int) -> None:
        if place <= self._place:
            return
        self._container.seek(int(self._index.pts[place]), stream=self._stream, backward=True)
        packets = self._container.demux(self._stream)
        first = next(packets)
        landed = self._places.get(first.pts)
        # An earlier key frame is as right; a later one, or none, is not.
        if landed is None or landed > place or not first.is_keyframe:
            raise _LostError
        self._packets, self._place = chain([first], packets), landed

    def _decode_until(self, tick: int) -> Iterator[Any]:
        for packet in self._packets:
            self._place += bool(packet.size)
            self._stream.codec_context.skip_frame = "DEFAULT" if packet.pts in self._wanted else self._skip
            for frame in packet.decode():
                if frame.pts in self._left:
                    self._left.remove(frame.pts)
                    yield frame
            if tick not in self._left:
                return
