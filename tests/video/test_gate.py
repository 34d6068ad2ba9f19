"""What is no video file is refused before a decoder sees it, and once more by the decoder."""

from __future__ import annotations

import os
from pathlib import Path

import av
import pytest
from videos import LIMITS

from varml.errors import VideoError
from varml.video.container import decode
from varml.video.gate import check_is_video_file
from varml.video.probe import probe_video

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nreal.ts\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile real.mp4\n"
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
TEXT = "This is no video.\n" * 300
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(200)


@pytest.mark.parametrize(
    ("kind", "container"),
    [("10 fps", "mov"), ("matroska", "matroska"), ("avi", "avi"), ("transport stream", "mpegts"),
     ("program stream", "mpeg")],
)  # fmt: skip
def test_videos_pass_whatever_their_name(encoded: dict[str, Path], tmp_path: Path, kind: str, container: str):
    path = tmp_path / "name.txt"
    path.write_bytes(encoded[kind].read_bytes())
    assert check_is_video_file(path) == container


NO_CONTAINER = "is in no known container by its first bytes"


@pytest.mark.parametrize(
    "content",
    [TEXT.encode(), PLAYLIST.encode(), CONCAT.encode(), SDP.encode(), IMAGE, b"\0", bytes(4096), b"RIFF\0\0\0\0WAVE"],
    ids=["text", "playlist", "concat", "sdp", "png", "one byte", "zeros", "wave"],
)
def test_files_that_begin_like_no_container(tmp_path: Path, content: bytes):
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=NO_CONTAINER):
        check_is_video_file(path)
    with pytest.raises(VideoError, match=NO_CONTAINER):
        probe_video(path, LIMITS)


def test_an_empty_file(tmp_path: Path):
    (tmp_path / "video.mp4").touch()
    with pytest.raises(VideoError, match=r"is empty \(0 bytes\)"):
        probe_video(tmp_path / "video.mp4", LIMITS)


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path):
    os.mkfifo(tmp_path / "video.mp4")
    with pytest.raises(VideoError, match="is no regular file"):
        probe_video(tmp_path / "video.mp4", LIMITS)


def test_a_folder_and_a_device(tmp_path: Path):
    with pytest.raises(VideoError, match="is a folder that holds no numbered images"):
        probe_video(tmp_path, LIMITS)
    with pytest.raises(VideoError, match="is no regular file"):
        probe_video(Path("/dev/zero"), LIMITS)


def test_a_link_is_followed(encoded: dict[str, Path], tmp_path: Path):
    (tmp_path / "video.mp4").symlink_to(encoded["10 fps"])
    assert check_is_video_file(tmp_path / "video.mp4") == "mov"


@pytest.mark.parametrize("name", ["missing.mp4", "video.mp4/inside", "a\0b", "x" * 300])
def test_what_cannot_be_looked_at(tmp_path: Path, name: str):
    (tmp_path / "video.mp4").touch()
    with pytest.raises(VideoError, match="cannot be read: "):
        probe_video(tmp_path / name, LIMITS)


@pytest.fixture
def pointers(encoded: dict[str, Path], tmp_path: Path) -> Path:
    """A folder with two real videos, and texts named like videos that point to them."""
    (tmp_path / "real.mp4").write_bytes(encoded["10 fps"].read_bytes())
    (tmp_path / "real.ts").write_bytes(encoded["transport stream"].read_bytes())
    for name, text in (
        ("playlist.mp4", PLAYLIST),
        ("playlist.m3u8", PLAYLIST),
        ("concat.mp4", CONCAT),
        ("sdp.mp4", SDP),
    ):
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", ["playlist.mp4", "playlist.m3u8", "concat.mp4", "sdp.mp4"])
def test_the_decoder_too_refuses_texts_that_point_to_other_files(pointers: Path, name: str):
    with pytest.raises(VideoError, match="cannot be decoded"):
        list(decode(pointers / name))


def test_ffmpeg_itself_would_have_followed_the_pointer(pointers: Path):
    with av.open(str(pointers / "concat.mp4")) as container:
        assert next(container.decode(video=0)).width == 80
