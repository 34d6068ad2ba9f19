"""Files that are no video, that point to others, or that a few bytes make enormous."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .codecs import H264, VP8
from .kit import Kit, Shot, changed, encoded, record_of
from .mp4 import change, repeated
from .record import Entry

_NO_CONTAINER = "known container|is an image"
_REAL = "real.ts"
_HUGE_FIRST = 3000
_PLAYLIST = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{_REAL}\n#EXT-X-ENDLIST\n"
_MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile:///etc/passwd\n"
_CONCAT = f"ffconcat version 1.0\nfile {_REAL}\n"
_CONCAT_PASSWD = "ffconcat version 1.0\nfile /etc/passwd\n"
_SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
_MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4">
<Representation id="1" bandwidth="1"><BaseURL>real.ts</BaseURL></Representation></AdaptationSet></Period></MPD>
"""
_AVISYNTH = 'AVISource("/etc/passwd")\n'
_HUGE_Y4M = b"YUV4MPEG2 W65535 H65535 F24:1 Ip A1:1 C420\nFRAME\n" + bytes(1000)
_SUBTITLES = "1\n00:00:00,000 --> 00:00:02,000\nno picture\n"


def _text(name: str, content: str | bytes, **how: Any) -> Entry:
    data = content.encode() if isinstance(content, str) else content
    truth = {
        "kind": "hostile",
        "expectation": "refuse",
        "barcodes": (),
        "times_sec": (),
        "reason": _NO_CONTAINER,
        **how,
    }
    return changed(name, lambda kit: data, **truth)


def _made(name: str, make: Callable[[Kit], bytes], **how: Any) -> Entry:
    truth = {"kind": "hostile", "expectation": "either", "barcodes": (), "times_sec": (), **how}
    return changed(name, make, **truth)


def _picture(name: str, codec: str, **how: Any) -> Entry:
    """Return the entry of a still picture named like a video."""
    truth = {
        "kind": "hostile",
        "expectation": "refuse",
        "barcodes": (),
        "times_sec": (),
        "reason": _NO_CONTAINER,
        **how,
    }
    return encoded(name, f"{codec} -frames:v 1 -f image2pipe", **truth)


def _zip(kit: Kit) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("video.mp4"), kit.plain("named.mp4", H264))
    return data.getvalue()


def _without_picture(name: str, options: str, **how: Any) -> Entry:
    truth = {
        "kind": "hostile",
        "expectation": "refuse",
        "barcodes": (),
        "times_sec": (),
        "reason": "no video stream",
        **how,
    }

    def make(path: Path, kit: Kit) -> None:
        kit.scratch("titles.srt").write_text(_SUBTITLES)
        kit.plain("cover.png", "-frames:v 1 -update 1", Shot(1, first=9000, size=(192, 192)))
        kit.ffmpeg(*options.format(work=kit.scratch("")).split(), "-fflags", "+bitexact", "-flags:a", "+bitexact", path)

    return Entry(record_of(name, Shot(), **truth), make)


def _huge_gif(size: int) -> bytes:
    """Return a GIF of one frame that declares so many pixels a side and holds none of them."""
    screen = struct.pack("<HHBBB", size, size, 0x80, 0, 0) + bytes(3) + b"\xff\xff\xff"
    return b"GIF89a" + screen + b"," + struct.pack("<HHHHB", 0, 0, size, size, 0) + b"\x02\x02\x4c\x01\x00;"


def _huge_vp8(kit: Kit) -> bytes:
    """Return an IVF file whose key frame declares 16,000 pixels a side."""
    data = bytearray(kit.plain("plain.ivf", VP8))
    start = data.index(b"\x9d\x01\x2a") + 3
    data[start : start + 4] = struct.pack("<HH", 16000, 16000)
    return bytes(data)


def _huge_jpeg(kit: Kit) -> bytes:
    data = bytearray(kit.plain("plain_mjpeg.avi", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"))
    for place in range(len(data) - 1):
        if data[place : place + 2] == b"\xff\xc0":
            data[place + 5 : place + 9] = struct.pack(">HH", 65500, 65500)
    return bytes(data)


def _huge_png(kit: Kit) -> bytes:
    """Return a QuickTime film of one PNG of 16,000 x 16,000 black pixels."""
    side, height_at = 16000, 16
    data = kit.plain("one_png.mov", "-c:v png -pix_fmt gray", Shot(1, size=(64, 64)))
    start, end = data.index(b"\x89PNG"), data.index(b"IEND") + 8
    packed = zlib.compressobj(1)
    lines = b"".join(packed.compress(bytes(side + 1) * 1000) for _ in range(side // 1000)) + packed.flush()
    head = data[start : start + height_at] + struct.pack(">II", side, side) + data[start + height_at + 8 : start + 29]
    head += struct.pack(">I", zlib.crc32(head[12:29]))
    body = struct.pack(">I", len(lines)) + b"IDAT" + lines + struct.pack(">I", zlib.crc32(b"IDAT" + lines))
    return _with_sample(data, head + body + data[end - 12 : end], end - start)


def _with_sample(data: bytes, sample: bytes, old_size: int) -> bytes:
    """Return a film of one frame, its tables behind it, with another sample in the frame's place."""
    data = change(data, "mdat", lambda content: content.replace(content[-old_size:], sample))
    return change(data, "moov/trak/mdia/minf/stbl/stsz", lambda old: old[:4] + struct.pack(">II", len(sample), 1))


def _many(name: str, size: tuple[int, int], num_samples: int, **how: Any) -> Entry:
    """Return the entry of a film that shows few frames again and again."""

    def make(kit: Kit) -> bytes:
        shot = Shot(how["num_frames"], size=size, first=_HUGE_FIRST)
        options = f"{H264} -preset ultrafast -crf 8 -g 1 -bf 0 -video_track_timescale 24"
        return repeated(kit.plain(f"many_{size[0]}.mp4", options, shot), num_samples, 1)

    barcodes = tuple(_HUGE_FIRST + number % how["num_frames"] for number in range(num_samples))
    times_sec = tuple(number / 24 for number in range(num_samples))
    record = {"kind": "hostile", "expectation": "either", "barcodes": barcodes, "times_sec": times_sec}
    return changed(name, make, **{**record, **{key: how[key] for key in how if key != "num_frames"}})


def _elsewhere(kit: Kit) -> bytes:
    """Return a film whose media lie in another file, which its data reference names as an alias."""
    path = b"/etc/passwd\0"
    # A volume, a name and two levels, all empty, then the whole path (2) and the end (-1).
    alias = bytes(10 + 28 + 12 + 64 + 16 + 4 + 16) + struct.pack(">HH", 2, len(path)) + path + struct.pack(">hH", -1, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    film = kit.plain("base_end.mp4", f"{H264} -g 12 -bf 2")
    return change(film, "moov/trak/mdia/minf/dinf/dref", lambda _: struct.pack(">II", 0, 1) + entry)


HOSTILE = [
    _text("empty.mp4", b"", reason="empty"),
    _text("one byte.mp4", b"\0"),
    _text("zeros.mp4", bytes(5000)),
    _text("text.mp4", "This is no video.\n" * 300),
    _text("page.mp4", "<!DOCTYPE html><html><body>404 Not Found</body></html>\n"),
    _text("playlist.mp4", _PLAYLIST),
    _text("playlist.m3u8", _PLAYLIST),
    _text("playlist of passwords.m3u8", _MASTER),
    _text("concat.mp4", _CONCAT),
    _text("concat of passwords.ffconcat", _CONCAT_PASSWD),
    _text("session.sdp", _SDP),
    _text("session.mp4", _SDP),
    _text("manifest.mpd", _MPD),
    _text("script.avs", _AVISYNTH),
    _text("subtitles.mp4", _SUBTITLES),
    _text("program.mp4", b"\x7fELF\x02\x01\x01" + bytes(300)),
    _text("notes.pdf", b"%PDF-1.7\n" + bytes(300)),
    _text("thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)),
    encoded(_REAL, H264, notes="what the texts beside it point to"),
    _picture("picture.png", "-c:v png"),
    _picture("picture.mp4", "-c:v png", first=1),
    _picture("photo.mp4", "-c:v mjpeg -pix_fmt yuvj420p"),
    _picture("picture.webp", "-c:v libwebp"),
    _picture("frame1.png", "-c:v png", first=2),
    _text("frame%d.png", "the name is a pattern that frame1.png fits\n"),
    _made("archive.mp4", _zip, expectation="refuse", reason=_NO_CONTAINER),
    _without_picture("sound only.mp4", "-f lavfi -t 1 -i sine"),
    _without_picture("sound only.mkv", "-f lavfi -t 1 -i sine"),
    _without_picture("sound.mp3", "-f lavfi -t 1 -i sine", reason=_NO_CONTAINER),
    _without_picture("sound.wav", "-f lavfi -t 1 -i sine", reason=_NO_CONTAINER),
    _without_picture("song with cover.m4a", "-f lavfi -t 1 -i sine -i {work}/cover.png -map 0 -map 1 -c:v copy "
                     "-disposition:v attached_pic -f mp4", reason="video", notes="its one picture is the cover"),
    _without_picture("titles only.mkv", "-i {work}/titles.srt"),
    _made("media in another file.mov", _elsewhere, expectation="refuse", reason="decoded|frame"),
    _made("16000 pixels.ivf", _huge_vp8, notes="800 MB a frame in RGB, of a file of 4 kB"),
    _made("65500 pixels.avi", _huge_jpeg, expectation="refuse", notes="12 GB a frame in RGB"),
    _made("16000 pixels.mov", _huge_png, notes="800 MB a frame in RGB, of a file of 300 kB"),
    _made("16000 pixels.gif", lambda kit: _huge_gif(16000), notes="1.2 GB a frame in RGB, of a file of 50 bytes"),
    _made("65535 pixels.gif", lambda kit: _huge_gif(65535), expectation="refuse"),
    _text("65535 pixels.y4m", _HUGE_Y4M, reason="decoded|no frame"),
    _many("4k.mp4", (3840, 2160), 4, num_frames=3, expectation="accept", notes="25 MB a frame in RGB"),
    _many("8k.mp4", (7680, 4320), 12, num_frames=3, expectation="accept", notes="good, and 100 MB a frame in RGB"),
    _many("8k bomb.mp4", (7680, 4320), 5000, num_frames=3, notes="a minute's work and more, of a file of 300 kB"),
    _many("full HD bomb.mp4", (1920, 1080), 20_000, num_frames=3, notes="a minute's work and more"),
    _many("20000 tiny frames.mp4", (48, 32), 20_000, num_frames=50, notes="a quarter of an hour of 48 x 32 pixels"),
]  # fmt: skip
