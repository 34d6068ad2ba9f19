"""Good videos with odd times: uneven, late, early, missing, twice, wrapped, cut by edit lists."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from .codecs import H264, VP8
from .kit import MILLISECONDS, NUM_FRAMES, TICKS, Kit, Shot, changed, encoded, record_of
from .mp4 import change, without
from .record import Entry, even_times

TS_PACKET = 188
_HALF = NUM_FRAMES // 2
_GOPS = f"{H264} -g 12 -bf 2"
_EDITED = f"{H264} -bf 0 -g 12 -video_track_timescale 24 -movie_timescale 24"
_FIRST_HALF_SLOW = tuple(i / 12 if i < _HALF else 2 + (i - _HALF) / 48 for i in range(NUM_FRAMES))
_PAUSE = tuple(i / 24 + (3 if i >= 20 else 0) for i in range(NUM_FRAMES))
# How long the pause between the two is, nobody says.
_JOINED_NOTE = "two streams in one file, each from its own zero"
_SHAKEN = tuple((42 * i + 13 * (i % 3)) / 1000 for i in range(NUM_FRAMES))


def _at(expression: str, rate: int = 1000) -> str:
    """Return options that show frame N at the time of ``expression``, in so many ticks a second."""
    return f"-vf \"settb=1/{rate},setpts='{expression}'\" -fps_mode passthrough -enc_time_base 1:{rate}"


_SLOW_FAST = _at(f"if(lt(N,{_HALF}),N*1000/12,2000+(N-{_HALF})*1000/48)")
_PAUSED = _at("N*1000/24+3000*gte(N,20)")
_SHAKY = _at("42*N+13*mod(N,3)")


def _edited(*edits: tuple[int, int], shown: Sequence[int], **how: Any) -> Entry:
    """Return the entry of an MP4 with an edit list: media times and durations in frames, -1 for an empty edit."""
    name = how.pop("name")

    def make(kit: Kit) -> bytes:
        data = kit.plain("edited.mp4", _EDITED)
        entries = b"".join(struct.pack(">IiI", length, start, 1 << 16) for start, length in edits)
        return change(data, "moov/trak/edts/elst", lambda _: struct.pack(">II", 0, len(edits)) + entries)

    truth = {"barcodes": tuple(shown), "times_sec": even_times(len(shown), 24), **how}
    return changed(name, make, **truth)


def _lasting(name: str, *durations: int, **how: Any) -> Entry:
    """Return the entry of an MP4 whose frames last so many twenty-fourths of a second each."""

    def make(kit: Kit) -> bytes:
        data = kit.plain("edited.mp4", _EDITED)
        entries = b"".join(struct.pack(">II", 1, duration) for duration in durations)
        stts = struct.pack(">II", 0, len(durations)) + entries
        data = change(data, "moov/trak/mdia/minf/stbl/stts", lambda _: stts)
        return change(data, "moov/trak", lambda trak: without(trak, b"edts"))

    starts = [0, *accumulate(durations)][:-1]
    return changed(name, make, times_sec=tuple(start / 24 for start in starts), **how)


def _without_times(kit: Kit) -> bytes:
    """Return a transport stream whose frames have no times: their flags are cleared."""
    data = bytearray(kit.plain("no_times.ts", f"{H264} -bf 0"))
    for place in range(0, len(data), TS_PACKET):
        start = data.find(b"\0\0\1\xe0", place, place + TS_PACKET)
        if start >= 0:
            length = data[start + 8]
            data[start + 7] = 0
            data[start + 9 : start + 9 + length] = b"\xff" * length
    return bytes(data)


def _joined(name: str, options: str) -> Callable[[Kit], bytes]:
    """Return a maker of two videos of 24 frames one after the other, each with times from its start."""

    def make(kit: Kit) -> bytes:
        stem, _, suffix = name.partition(".")
        halves = [Shot(_HALF), Shot(_HALF, first=_HALF)]
        return b"".join(kit.plain(f"{stem}_{n}.{suffix}", options, shot) for n, shot in enumerate(halves))

    return make


def _copied(name: str, options: str, codec: str, **how: Any) -> Entry:
    """Return the entry of a video whose packets FFmpeg copies; ``options`` stand before and after its input."""

    def make(path: Path, kit: Kit) -> None:
        before, _, after = options.partition("|")
        source = f"copied to {path.name}.mp4"
        kit.plain(source, codec)
        kit.ffmpeg(
            *before.split(), "-i", kit.scratch(source), "-c", "copy", *after.split(), "-fflags", "+bitexact", path
        )

    return Entry(record_of(name, Shot(), **how), make)


TIMING = [
    encoded("uneven_slow_fast.mp4", f"{H264} {_SLOW_FAST}", times_sec=_FIRST_HALF_SLOW, slack_sec=MILLISECONDS),
    encoded("uneven_pause.mkv", f"{H264} {_PAUSED}", times_sec=_PAUSE),
    encoded("uneven_shaken.mp4", f"{H264} {_SHAKY}", times_sec=_SHAKEN, slack_sec=MILLISECONDS),
    encoded("uneven_slow_fast.webm", f"{VP8} {_SLOW_FAST}", times_sec=_FIRST_HALF_SLOW),
    encoded("uneven_pause.ts", f"{H264} {_PAUSED}", times_sec=_PAUSE, slack_sec=MILLISECONDS),
    encoded("uneven_pause.avi", f"-c:v mpeg4 -q:v 2 {_at('N+24*gte(N,20)', 24)}",
            times_sec=tuple(i / 24 + (i >= 20) for i in range(NUM_FRAMES)), notes="AVI waits with empty chunks"),
    encoded("uneven.gif", f"-c:v gif {_at('4*N+96*gte(N,20)', 100)}", fps="25",
            num_frames=50, times_sec=tuple((4 * i + 96 * (i >= 20)) / 100 for i in range(50))),
    encoded("rate_1.mp4", H264, fps="1", num_frames=12),
    encoded("rate_1_in_10.mkv", H264, fps="1/10", num_frames=5),
    encoded("rate_240.mp4", H264, fps="240", num_frames=480),
    encoded("rate_120.webm", VP8, fps="120", num_frames=240),
    encoded("rate_ntsc.mp4", H264, fps="30000/1001", num_frames=60),
    encoded("rate_film.mkv", H264, fps="24000/1001"),
    encoded("rate_60.ts", H264, fps="60", num_frames=116),
    encoded("rate_12_5.flv", "-c:v flv -q:v 2", fps="25/2", num_frames=25),
    encoded("starts_late.mkv", f"{H264} -output_ts_offset 5"),
    encoded("starts_late.mp4", f"{H264} -output_ts_offset 5"),
    encoded("starts_late.ts", f"{H264} -output_ts_offset 3600"),
    encoded("starts_early.mp4", f"{H264} -bf 2 -output_ts_offset -0.5 -avoid_negative_ts disabled -use_editlist 0",
            notes="composition times start below zero"),
    encoded("starts_early.mkv", f"{H264} -bf 0 -output_ts_offset -0.5 -avoid_negative_ts disabled"),
    _edited((0, NUM_FRAMES), shown=range(NUM_FRAMES), name="edit_whole.mp4"),
    _edited((12, 36), shown=range(12, 48), name="edit_from_key_frame.mp4"),
    _edited((17, 31), shown=range(17, 48), name="edit_from_middle.mp4", notes="cut between key frames"),
    _edited((0, 30), shown=range(30), name="edit_end_cut.mp4"),
    _edited((-1, 24), (0, NUM_FRAMES), shown=range(NUM_FRAMES), name="edit_empty_first.mp4",
            notes="nothing is shown for a second, then all of it"),
    _edited((0, 12), (24, 24), shown=[*range(12), *range(24, 48)], name="edit_gap.mp4"),
    _edited((24, 24), (0, 24), shown=[*range(24, 48), *range(24)], name="edit_swapped.mp4", notes="the end first"),
    _edited((0, 24), (0, 24), shown=[*range(24), *range(24)], name="edit_repeated.mp4", notes="the start twice"),
    _copied("trimmed_copy.mp4", "-ss 0.7|-avoid_negative_ts make_zero", _GOPS, barcodes=tuple(range(12, 48)),
            times_sec=even_times(36, 24), slack_sec=MILLISECONDS, notes="cut without encoding, at a key frame"),
    _copied("trimmed_copy.mkv", "-ss 0.7|", _GOPS, barcodes=tuple(range(12, 48)), times_sec=even_times(36, 24),
            notes="cut without encoding, at a key frame"),
    _copied("trimmed_open_gop.mkv", "-ss 0.7|", f"{_GOPS} -x264-params open-gop=1:scenecut=0", expectation="either",
            times_sec=(), notes="cut before frames that need what was cut away"),
    _lasting("same_time_twice.mp4", *[1] * 10, 0, 2, *[1] * 36),
    _lasting("same_time_and_pause.mp4", *[1] * 5, 0, 49, *[1] * 41, notes="two frames at one time, uneven otherwise"),
    changed("no_times.ts", _without_times, notes="the stream has a rate and no times"),
    changed("joined.ts", _joined("joined.ts", f"{H264} -bf 0"), slack_sec=1 / 24, notes=_JOINED_NOTE),
    changed("joined.mpg", _joined("joined.mpg", "-c:v mpeg2video -q:v 2 -pix_fmt yuv420p"),
            slack_sec=1 / 24, notes=_JOINED_NOTE),
    encoded("clock_wraps.ts", f"{H264} -bf 0 -output_ts_offset 95442.3", notes="33 bits of clock overflow on the way"),
    encoded("clock_90k_thousandths.mkv", f"{H264} {_at('41*N')}",
            times_sec=tuple(41 * i / 1000 for i in range(NUM_FRAMES)), slack_sec=TICKS),
]  # fmt: skip
