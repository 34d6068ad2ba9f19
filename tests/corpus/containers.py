"""Good videos, container by container, and what else a container may hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .codecs import H264, H265, VP8
from .kit import Kit, Shot, changed, encoded, record_of
from .mp4 import without
from .record import Entry

_MPEG2 = "-c:v mpeg2video -q:v 2 -bf 2 -g 12 -pix_fmt yuv420p"
_FRAGMENTS = "-g 12 -movflags frag_keyframe+empty_moov+default_base_moof"
_BLU_RAY = "-f mpegts -mpegts_m2ts_mode 1"
_SECOND = "-disposition:v:0 0 -disposition:v:1 default"
_OTHER = Shot(first=1000)
COVER_FIRST = 9000


def _streams(name: str, options: str, *shots: Shot, shown: int = 0, **how: Any) -> Entry:
    """Return the entry of a video of several streams, of which the one with the number ``shown`` is the right one."""
    return Entry(record_of(name, shots[shown], **how), lambda path, kit: kit.encode(path, options, *shots))


def _covered(name: str, options: str, cover: str) -> Entry:
    def make(path: Path, kit: Kit) -> None:
        kit.plain(cover, "-frames:v 1 -update 1", Shot(1, first=COVER_FIRST, size=(192, 192)))
        kit.plain("covered.mp4", H264)
        inputs: list[str | Path] = ["-i", kit.scratch("covered.mp4"), "-i", kit.scratch(cover)]
        kit.ffmpeg(*inputs, *options.split(), "-c", "copy", "-fflags", "+bitexact", path)

    return Entry(record_of(name, Shot(), notes="the cover is a video stream too, of more pixels"), make)


def _head(kind: bytes) -> Callable[[Kit], bytes]:
    """Return a maker of a fragmented MP4 whose first box, ``ftyp``, is a box of another kind."""

    def change(kit: Kit) -> bytes:
        data = kit.plain("fragments.mp4", f"{H264} {_FRAGMENTS}")
        return data[:4] + kind + data[8:]

    return change


def _moov_first(kit: Kit) -> bytes:
    return without(kit.plain("old.mov", f"{H264} -bf 0 {_FRAGMENTS}"), b"ftyp")


CONTAINERS = [
    encoded("moov_at_end.mp4", H264),
    encoded("moov_at_start.mp4", f"{H264} -movflags faststart"),
    encoded("fragments.mp4", f"{H264} {_FRAGMENTS}"),
    encoded("fragments_with_index.mp4", f"{H264} {_FRAGMENTS}+dash+global_sidx"),
    encoded("fragments_cmaf.mp4", f"{H264} {_FRAGMENTS}+cmaf"),
    changed("head_styp.mp4", _head(b"styp"), notes="a segment of a stream that begins with its type"),
    changed("head_uuid.mp4", _head(b"uuid"), notes="a box of a maker's own kind comes first"),
    changed("head_moov.mov", _moov_first, notes="QuickTime before 2001 writes no ftyp"),
    encoded("quicktime.mov", H264),
    encoded("mobile.3gp", f"{H264} -profile:v baseline"),
    encoded("mobile.3g2", f"{H264} -profile:v baseline"),
    encoded("itunes.m4v", H264),
    encoded("flash.f4v", H264),
    encoded("matroska.mkv", H264),
    encoded("matroska_live.mkv", f"{H264} -live 1", notes="clusters of unknown size, no index, no duration"),
    encoded("webm_without_index.webm", f"{VP8} -live 1"),
    encoded("mpeg4.avi", "-c:v mpeg4 -q:v 2 -bf 0"),
    encoded("transport.ts", f"{H264} -bf 2"),
    encoded("transport.m2ts", f"{H264} -bf 2 {_BLU_RAY}", notes="packets of 192 bytes"),
    encoded("camera.mts", f"{H264} {_BLU_RAY}", sound=1),
    encoded("program.vob", _MPEG2 + " -f vob"),
    encoded("program.mpg", _MPEG2 + " -f mpeg", sound=1),
    encoded("elementary.m2v", _MPEG2 + " -f mpeg2video"),
    encoded("elementary.h264", f"{H264} -r 24 -f h264", expectation="either", times_sec=(), reason="no known container",
            notes="no container, hence no times"),
    encoded("elementary.hevc", f"{H265} -f hevc", expectation="either", times_sec=(), reason="no known container",
            notes="no container, hence no times"),
    encoded("elementary.mjpeg", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p -f mjpeg", expectation="either", times_sec=(),
            reason="no known container", notes="pictures one after the other"),
    encoded("theora.ogg", "-c:v libtheora -q:v 8 -pix_fmt yuv420p"),
    encoded("flash.flv", f"{H264} -bf 2"),
    encoded("windows.asf", "-c:v msmpeg4 -q:v 2"),
    encoded("windows.wmv", "-c:v wmv1 -q:v 2", sound=1),
    encoded("nut.nut", f"{H264} -bf 2"),
    encoded("broadcast.mxf", _MPEG2 + " -r 25 -pix_fmt yuv422p", fps="25", num_frames=50),
    encoded("vp8.ivf", VP8),
    encoded("y4m.y4m", "-pix_fmt yuv420p"),
    encoded("animation.gif", "-c:v gif -loop 0 -final_delay 4", num_frames=50, fps="25"),
    encoded("animation.apng", "-c:v apng -pix_fmt rgb24 -f apng", expectation="either", reason="known container"),
    encoded("animation.webp", "-c:v libwebp_anim -lossless 1 -f webp", expectation="either"),
    encoded("real.rm", "-c:v rv20 -q:v 2", size=(176, 144), expectation="either"),
    encoded("flash.swf", "-c:v flv -q:v 2", expectation="either", reason="known container"),
    encoded("sound.mp4", H264, sound=1),
    encoded("two_sounds.mkv", H264, sound=2),
    encoded("sound.avi", "-c:v mpeg4 -q:v 2 -c:a pcm_s16le", sound=1),
    encoded("sound.ts", H264, sound=1),
    encoded("sound.webm", VP8, sound=1),
    _streams("second_stream_default.mkv", f"{H264} {_SECOND}", _OTHER, Shot(), shown=1),
    _streams("second_stream_default.mp4", f"{H264} {_SECOND}", _OTHER, Shot(), shown=1),
    _streams("first_stream_default.mkv", f"{H264} -disposition:v:0 default -disposition:v:1 0", Shot(), _OTHER),
    _covered("cover_last.mp4", "-map 0 -map 1 -disposition:v:1 attached_pic", "cover.jpg"),
    _covered("cover_first.mp4", "-map 1 -map 0 -disposition:v:0 attached_pic", "cover.png"),
]  # fmt: skip
