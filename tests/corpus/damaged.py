"""Videos that were cut, overwritten, mixed with garbage, or whose headers lie."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from .codecs import H264, VP8
from .kit import NUM_FRAMES, Kit, Shot, changed
from .mp4 import boxes, change, patched, without
from .record import Entry
from .timing import TS_PACKET

_GOPS = f"{H264} -g 12 -bf 2"
_MPEG2 = "-c:v mpeg2video -q:v 2 -g 12 -bf 2 -pix_fmt yuv420p"
BASES = {
    "end.mp4": f"{H264} -g 12 -bf 2",
    "start.mp4": f"{_GOPS} -movflags faststart",
    "fragments.mp4": f"{_GOPS} -movflags frag_keyframe+empty_moov+default_base_moof",
    "b.mkv": _GOPS,
    "b.avi": "-c:v mpeg4 -q:v 2 -g 12",
    "mjpeg.avi": "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p",
    "b.ts": _GOPS,
    "b.mpg": _MPEG2,
    "b.flv": _GOPS,
    "b.webm": f"{VP8} -g 12",
    "b.ogv": "-c:v libtheora -q:v 8 -pix_fmt yuv420p -g 12",
    "b.gif": "-c:v gif",
    "intra.mkv": f"{H264} -g 1",
}
_NOTHING = {"expectation": "refuse", "barcodes": (), "reason": "decoded|has no frame"}
_HUGE = b"\xff\xff\xff\xff"
# Places in the contents of MP4 boxes, version 0.
_TIMESCALE, _DURATION, _TKHD_DURATION, _TKHD_SIZE = 12, 16, 20, 76
_STSD_SIZE = 8 + 8 + 24
Change = Callable[[bytes], bytes]


def _base(kit: Kit, name: str) -> bytes:
    return kit.plain(f"base_{name}", BASES[name])


def _damaged(what: str, base: str, how: Change, **record: Any) -> Entry:
    """Return the entry of a changed base; by default nothing is known but the frames that may appear."""
    stem, _, suffix = base.partition(".")
    truth = {"kind": "damaged", "expectation": "either", "times_sec": (), **record}
    return changed(f"{what} {stem}.{suffix}", lambda kit: how(_base(kit, base)), **truth)


def _whole(what: str, base: str, how: Change, **record: Any) -> Entry:
    """Return the entry of a changed base whose frames and times are all as they were."""
    entry = _damaged(what, base, how, expectation="accept", **record)
    times_sec = Shot().times_sec()
    return changed(entry.record.name, lambda kit: how(_base(kit, base)), kind="damaged", times_sec=times_sec, **record)


def _cut(share: float) -> Change:
    return lambda data: data[: int(len(data) * share)]


def _flipped(seed: int, num_bits: int = 12) -> Change:
    """Return a change that flips single bits after the first 64 bytes."""

    def how(data: bytes) -> bytes:
        changed_bytes, rng = bytearray(data), np.random.default_rng(seed)
        for place, bit in zip(rng.integers(64, len(data), num_bits), rng.integers(0, 8, num_bits), strict=True):
            changed_bytes[place] ^= 1 << int(bit)
        return bytes(changed_bytes)

    return how


def _zeroed(start: float, end: float) -> Change:
    def how(data: bytes) -> bytes:
        first, last = int(len(data) * start), int(len(data) * end)
        return data[:first] + bytes(last - first) + data[last:]

    return how


def _garbage(num_bytes: int) -> bytes:
    return np.random.default_rng(7).bytes(num_bytes)


def _replaced(old: bytes, place: int, value: bytes) -> Change:
    """Return a change that writes ``value`` so many bytes after the first ``old``."""

    def how(data: bytes) -> bytes:
        start = data.index(old) + place
        return data[:start] + value + data[start + len(value) :]

    return how


def _boxed(path: str, place: int, value: bytes) -> Change:
    return lambda data: change(data, path, patched(place, value))


def _packets(keep: Callable[[int], bool]) -> Change:
    """Return a change that keeps some packets of a transport stream."""

    def how(data: bytes) -> bytes:
        packets = [data[place : place + TS_PACKET] for place in range(0, len(data), TS_PACKET)]
        return b"".join(packet for number, packet in enumerate(packets) if keep(number))

    return how


def _without_key_frame(data: bytes) -> bytes:
    """Drop the first frame of a transport stream, which all frames of its group need."""
    second = data.index(b"\0\0\1\xe0", data.index(b"\0\0\1\xe0") + 4)
    return data[: 3 * TS_PACKET] + data[second // TS_PACKET * TS_PACKET :]


def _sized_twice(suffix: str, options: str, sizes: tuple[tuple[int, int], tuple[int, int]]) -> Callable[[Kit], bytes]:
    def make(kit: Kit) -> bytes:
        half = NUM_FRAMES // 2
        shots = [Shot(half, first=place * half, size=size) for place, size in enumerate(sizes)]
        return b"".join(kit.plain(f"sized_{s.size[0]}_{s.first}.{suffix}", options, s) for s in shots)

    return make


def _only(*kinds: bytes) -> Change:
    return lambda data: without(data, *({kind for kind, _ in boxes(data)} - set(kinds)))


STBL = "moov/trak/mdia/minf/stbl"
DAMAGED = [
    *[_damaged(f"cut at {share}", base, _cut(share)) for base, shares in {
        "start.mp4": (0.3, 0.6, 0.95), "fragments.mp4": (0.6,), "b.mkv": (0.3, 0.6, 0.95), "b.avi": (0.3, 0.6, 0.95),
        "b.ts": (0.3, 0.6, 0.95), "b.mpg": (0.6,), "b.flv": (0.6,), "b.webm": (0.6,), "b.ogv": (0.6,), "b.gif": (0.6,),
        "mjpeg.avi": (0.6,), "intra.mkv": (0.6,),
    }.items() for share in shares],
    *[_damaged(f"cut at {share}", "end.mp4", _cut(share), **_NOTHING) for share in (0.3, 0.9)],
    *[_damaged(f"bits flipped {seed}", base, _flipped(seed)) for base in
      ("end.mp4", "b.mkv", "b.avi", "b.ts", "b.mpg", "b.flv", "b.webm") for seed in (1, 2)],
    *[_damaged(f"many bits flipped {seed}", base, _flipped(seed, 200)) for base in ("start.mp4", "b.mkv", "b.ts")
      for seed in (3,)],
    *[_damaged("zeros inside", base, _zeroed(0.5, 0.6)) for base in ("start.mp4", "b.mkv", "b.avi", "b.ts", "b.webm")],
    _damaged("zeros at the start", "b.mkv", _zeroed(0, 0.1), **{**_NOTHING, "reason": "known container"}),
    _damaged("zeros at the end", "b.ts", _zeroed(0.8, 1)),
    _damaged("no moov", "end.mp4", _only(b"ftyp", b"free", b"mdat"), **_NOTHING),
    _damaged("no mdat", "start.mp4", _only(b"ftyp", b"moov"), **_NOTHING),
    _damaged("header only", "start.mp4", _only(b"ftyp"), **_NOTHING),
    _damaged("header only", "b.mkv", lambda data: data[:400], **_NOTHING),
    _damaged("header only", "b.avi", lambda data: data[:500], **_NOTHING),
    _damaged("header only", "b.gif", lambda data: data[:13], **_NOTHING),
    *[_whole("garbage appended", base, lambda data: data + _garbage(5000)) for base in
      ("end.mp4", "b.mkv", "b.avi", "b.ts", "b.mpg", "b.webm")],
    *[_damaged("garbage prepended", base, lambda data: _garbage(77) + data, reason="known container|decoded")
      for base in ("end.mp4", "b.mkv", "b.avi", "b.ts", "b.mpg")],
    _damaged("first key frame lost", "b.ts", _without_key_frame),
    _damaged("every ninth packet lost", "b.ts", _packets(lambda number: number % 9 != 8)),
    _damaged("packets lost at the end", "b.ts", _packets(lambda number: number < 50 or number % 2 == 0)),
    _damaged("packets twice", "b.ts", lambda data: b"".join(
        data[place : place + TS_PACKET] * 2 for place in range(0, len(data), TS_PACKET))),
    changed("other size on the way.ts", _sized_twice("ts", H264, ((128, 96), (96, 128))), kind="damaged",
            expectation="either", times_sec=(), reason="size changes"),
    changed("other size on the way.mpg", _sized_twice("mpg", _MPEG2, ((128, 96), (256, 192))), kind="damaged",
            expectation="either", times_sec=(), reason="size changes"),
    _whole("wrong size in tkhd", "end.mp4", _boxed("moov/trak/tkhd", _TKHD_SIZE, struct.pack(">II", 9 << 16, 7 << 16))),
    _whole("wrong size in stsd", "end.mp4", _boxed(f"{STBL}/stsd", _STSD_SIZE, struct.pack(">HH", 16384, 16384))),
    _whole("wrong size in track", "b.mkv", _replaced(b"\xb0\x81\x80", 2, b"\x08")),
    _whole("wrong size in strf", "b.avi", _replaced(b"strf", 12, struct.pack("<ii", 4000, 3000))),
    _whole("endless mvhd", "end.mp4", _boxed("moov/mvhd", _DURATION, _HUGE)),
    _whole("endless mdhd", "end.mp4", _boxed("moov/trak/mdia/mdhd", _DURATION, _HUGE)),
    _whole("endless tkhd", "end.mp4", _boxed("moov/trak/tkhd", _TKHD_DURATION, _HUGE)),
    _damaged("timescale of zero", "end.mp4", _boxed("moov/trak/mdia/mdhd", _TIMESCALE, bytes(4))),
    _damaged("timescale of billions", "end.mp4", _boxed("moov/trak/mdia/mdhd", _TIMESCALE, _HUGE)),
    _damaged("billions of times", "end.mp4", _boxed(f"{STBL}/stts", 8, b"\x7f\xff\xff\xff")),
    _damaged("billions of samples", "end.mp4", _boxed(f"{STBL}/stsz", 8, b"\x7f\xff\xff\xff")),
    _damaged("billions of chunks", "end.mp4", _boxed(f"{STBL}/stco", 4, b"\x0f\xff\xff\xff")),
    _damaged("a frame lasts years", "end.mp4", _boxed(f"{STBL}/stts", 12, b"\x7f\xff\xff\xff")),
    _whole("endless duration", "b.mkv", _replaced(b"\x44\x89\x88", 3, struct.pack(">d", 1e300))),
    _whole("no number as duration", "b.mkv", _replaced(b"\x44\x89\x88", 3, struct.pack(">d", float("nan")))),
    _whole("billions of frames in avih", "b.avi", _replaced(b"avih", 8 + 16, _HUGE)),
    _whole("billions of frames in strh", "b.avi", _replaced(b"strh", 8 + 32, _HUGE)),
    _whole("no frames in strh", "b.avi", _replaced(b"strh", 8 + 32, bytes(4))),
    _damaged("rate of zero", "b.avi", _replaced(b"strh", 8 + 24, bytes(4))),
    _damaged("rate of billions", "b.avi", _replaced(b"strh", 8 + 20, struct.pack("<II", 1, 0xFFFFFFFF))),
]  # fmt: skip
