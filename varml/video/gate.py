"""Refuses what is no video file before any decoder sees it."""

from __future__ import annotations

import stat
from pathlib import Path

from varml.errors import VideoError
from varml.video.frame_folder import IMAGE_SUFFIXES

# Demuxers that a file of bytes may choose. Playlists, concat scripts, SDP and image sequences are not among
# them: they name other files, which a decoder would open.
DEMUXERS = (
    "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo",
    "ogg", "flv", "asf", "gif", "ivf", "mxf", "nut", "rm", "yuv4mpegpipe",
)  # fmt: skip

_HEAD_BYTES = 4096
# A transport stream has a sync byte at this place of each packet of that size; discs and cameras put a time before.
_TS_LAYOUTS = ((0, 188), (4, 192))
_PREFIXES = {
    b"\x1a\x45\xdf\xa3": "matroska",
    b"OggS": "ogg",
    b"FLV": "flv",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
    b"GIF8": "gif",
    b"\x00\x00\x01\xba": "mpeg",
    b"\x00\x00\x01\xb3": "mpegvideo",
    b"DKIF": "ivf",
    b"YUV4MPEG2": "y4m",
    b"\x06\x0e\x2b\x34": "mxf",
    b".RMF": "rm",
    b"nut/multimedia container": "nut",
}
_ISO_BOXES = (
    b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"sidx", b"emsg", b"pict",
)  # fmt: skip


def check_is_video_file(path: Path) -> str:
    """Return the name of the container that the first bytes of ``path`` show.

    Raises VideoError where ``path`` is no regular file, is empty, or begins like no container that is known.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise VideoError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise VideoError("is no regular file")
    if status.st_size == 0:
        raise VideoError("is empty (0 bytes)")
    with path.open("rb") as file:
        container = container_of(file.read(_HEAD_BYTES))
    if container is None:
        raise VideoError(_why_unknown(path))
    return container


def _why_unknown(path: Path) -> str:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return "is an image; a folder of frames holds numbered images of one prefix and nothing else"
    return "is in no known container by its first bytes; encode it again as mp4"


def container_of(head: bytes) -> str | None:
    """Return the container whose magic bytes ``head`` begins with, or None."""
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return "avi"
    if head[4:8] in _ISO_BOXES:
        return "mov"
    if any(head[first : first + 2 * size : size] == b"\x47\x47" for first, size in _TS_LAYOUTS):
        return "mpegts"
    return next((name for prefix, name in _PREFIXES.items() if head.startswith(prefix)), None)
