"""Good videos of odd sizes, aspects, turns and colours."""

from __future__ import annotations

import struct
from collections.abc import Callable

from .codecs import H264, H265, VP8
from .kit import Kit, changed, encoded
from .mp4 import change, patched

_TKHD_MATRIX = 40
_ONE, _SLANT = 1 << 16, 46341  # in sixteenths of a bit: 1 and the sine of 45 degrees


def _matrix(a: int, b: int, c: int, d: int, filters: str, codec: str = H264) -> Callable[[Kit], bytes]:
    """Return a maker of an MP4 whose display matrix undoes what ``filters`` did to its frames."""
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)

    def make(kit: Kit) -> bytes:
        data = kit.plain(f"matrix {filters} {codec.split()[1]}.mp4", f"{codec} -vf {filters}")
        return change(data, "moov/trak/tkhd", patched(_TKHD_MATRIX, matrix))

    return make


SHAPES = [
    changed("turned_90.mp4", _matrix(0, _ONE, -_ONE, 0, "transpose=cclock")),
    changed("turned_180.mp4", _matrix(-_ONE, 0, 0, -_ONE, "hflip,vflip")),
    changed("turned_270.mov", _matrix(0, -_ONE, _ONE, 0, "transpose=clock")),
    changed("turned_90_hevc.mov", _matrix(0, _ONE, -_ONE, 0, "transpose=cclock", H265)),
    changed("mirrored.mp4", _matrix(-_ONE, 0, 0, _ONE, "hflip"), notes="a display matrix that mirrors"),
    changed("upside_down.mp4", _matrix(_ONE, 0, 0, -_ONE, "vflip"), notes="a display matrix that flips"),
    changed("transposed.mp4", _matrix(0, _ONE, _ONE, 0, "transpose=cclock_flip"), notes="mirrored and turned at once"),
    changed("slanted.mp4", _matrix(_SLANT, _SLANT, -_SLANT, _SLANT, "null"), expectation="either", barcodes=(),
            times_sec=(), notes="turned by 45 degrees: no upright frame is a turn by quarters"),
    encoded("wide_pixels.mp4", f"{H264} -vf setsar=64/45"),
    encoded("narrow_pixels.mpg", "-c:v mpeg2video -q:v 2 -bf 2 -vf setdar=16/9"),
    encoded("odd_size.mp4", f"{H264} -pix_fmt yuv444p", size=(127, 95)),
    encoded("odd_size.webm", VP8, size=(131, 77)),
    encoded("odd_size.avi", "-c:v mpeg4 -q:v 2", size=(121, 91)),
    encoded("cropped.mp4", H264, size=(130, 98), notes="sizes that are no multiple of 16"),
    encoded("size_1x1.mov", "-c:v png -pix_fmt gray", size=(1, 1), level=True, num_frames=10),
    encoded("size_2x2.mp4", f"{H264} -crf 1", size=(2, 2), level=True, num_frames=10),
    encoded("size_1x16.mov", "-c:v png -pix_fmt rgb24", size=(1, 16), level=True, num_frames=10),
    encoded("size_16x16.mp4", f"{H264} -pix_fmt yuv444p -crf 1", size=(16, 16)),
    encoded("size_48x32.mp4", f"{H264} -crf 8", size=(48, 32)),
    encoded("very_wide.mp4", f"{H264} -crf 8", size=(2048, 32)),
    encoded("very_tall.mp4", f"{H264} -crf 8", size=(32, 2048)),
    encoded("large.mp4", f"{H264} -preset ultrafast", size=(1920, 1080), num_frames=24, fps="12"),
    encoded("one_frame.mp4", H264, num_frames=1),
    encoded("one_frame.gif", "-c:v gif", num_frames=1, fps="25"),
    encoded("one_frame.avi", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p", num_frames=1),
    encoded("one_frame.mkv", H264, num_frames=1),
    encoded("two_frames.mp4", H264, num_frames=2),
    encoded("two_frames.webm", VP8, num_frames=2),
    encoded("three_frames.mpg", "-c:v mpeg2video -q:v 2 -pix_fmt yuv420p", num_frames=3),
    encoded("three_frames.ts", H264, num_frames=3, expectation="either", notes="too short for FFmpeg to know it"),
    encoded("yuv_410.avi", "-c:v ffv1 -pix_fmt yuv410p"),
    encoded("black_and_white.avi", "-c:v rawvideo -pix_fmt gray"),
    encoded("palette.mov", "-c:v qtrle -pix_fmt rgb555be"),
    encoded("12_bit.mkv", "-c:v ffv1 -level 3 -pix_fmt gbrp12le"),
]  # fmt: skip
