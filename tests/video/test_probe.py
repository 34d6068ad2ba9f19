"""What a file truly holds, and which reader gives its right frames."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from videos import LIMITS, barcode_frame, write_barcodes, write_video

from varml.errors import VideoError
from varml.ground.engine import Outcome, map_isolated
from varml.video.probe import VideoInfo, probe_limit_sec, probe_video
from varml.video.reader import Source, open_video

ODD = Path(__file__).resolve().parents[2] / "../shared/data/odd"
# What FFmpeg's programs count otherwise, each looked at:
EXCEPTIONS: dict[str, int | str] = {
    # ffprobe counts the first of two video streams; the default one is the second, of more pixels.
    "torchcodec_nasa_13013.mp4": 390,
    # Its second packet is damaged; ffprobe goes on after it, PyAV stops, and so it is quarantined.
    "qt_colors.ogv": "cannot be decoded: ",
    "qt_test-unsupported.avi": "has no video stream",
}


@pytest.mark.parametrize(
    ("kind", "fps", "duration_sec"),
    [("10 fps", 10, 4), ("29.97 fps", 29.97, 1.335), ("60 fps", 60, 0.667), ("short GOP", 25, 1.6),
     ("matroska", 25, 1.6)],
)  # fmt: skip
def test_a_plain_video_is_described_and_read_by_decord(
    encoded: dict[str, Path], kind: str, fps: float, duration_sec: float
):
    info = probe_video(encoded[kind], LIMITS)
    assert (info.num_frames, info.width, info.height) == (40, 80, 64)
    assert (info.fps, info.duration_sec) == (pytest.approx(fps, abs=0.01), pytest.approx(duration_sec, abs=0.002))
    assert (info.reader, info.indexed) == ("decord", True)


@pytest.mark.parametrize("kind", ["avi", "avi with B-frames", "transport stream", "program stream", "open GOP"])
def test_pyav_is_named_where_decord_is_wrong(encoded: dict[str, Path], kind: str):
    info = probe_video(encoded[kind], LIMITS)
    assert (info.num_frames, info.fps, info.duration_sec, info.reader) == (40, 25.0, 1.6, "pyav")


@pytest.mark.parametrize("size", [(16, 16), (48, 32)])
def test_pyav_is_named_where_decord_fails_on_the_width(tmp_path: Path, size: tuple[int, int]):
    width, height = size
    path = write_video(tmp_path / "narrow.mp4", [np.full((height, width, 3), 9 * i, np.uint8) for i in range(12)])
    info = probe_video(path, LIMITS)
    assert (info.num_frames, info.width, info.height, info.reader) == (12, width, height, "pyav")


@pytest.mark.parametrize(("rotation", "size"), [(0, (80, 64)), (90, (64, 80)), (180, (80, 64)), (270, (64, 80))])
def test_the_size_is_that_of_the_upright_frame(tmp_path: Path, rotation: int, size: tuple[int, int]):
    info = probe_video(write_barcodes(tmp_path / "turned.mp4", 6, rotation=rotation), LIMITS)
    assert (info.width, info.height) == size


def test_the_rate_of_uneven_frames_is_that_of_the_whole(tmp_path: Path):
    path = write_barcodes(tmp_path / "uneven.mp4", 6, times=[0, 100, 200, 600, 700, 1000])
    # The last frame is shown for the median 0.1 s: 6 frames in 1.1 s.
    info = probe_video(path, LIMITS)
    assert (info.num_frames, info.fps, info.duration_sec) == (6, 5.455, 1.1)


def test_one_frame_has_no_rate(tmp_path: Path):
    info = probe_video(write_barcodes(tmp_path / "one.mp4", 1), LIMITS)
    assert (info.num_frames, info.fps, info.duration_sec) == (1, 0.0, 0.0)


def test_a_video_without_its_index_is_refused(encoded: dict[str, Path], tmp_path: Path):
    (tmp_path / "cut.mp4").write_bytes(encoded["10 fps"].read_bytes()[:-300])
    with pytest.raises(VideoError, match=r"."):
        probe_video(tmp_path / "cut.mp4", LIMITS)


def test_a_video_that_is_cut_off_holds_what_is_left(encoded: dict[str, Path], tmp_path: Path):
    content = encoded["matroska"].read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(content[: len(content) * 9 // 10])
    info = probe_video(path, LIMITS)
    assert 5 < info.num_frames < 40
    frames = open_video(Source(path, info.reader, info.num_frames)).read([0, info.num_frames - 1])
    assert frames.shape == (2, 64, 80, 3)


def test_a_header_alone_has_no_frame(encoded: dict[str, Path], tmp_path: Path):
    (tmp_path / "head.mkv").write_bytes(encoded["matroska"].read_bytes()[:300])
    with pytest.raises(VideoError):
        probe_video(tmp_path / "head.mkv", LIMITS)


@pytest.fixture(scope="module")
def damaged(encoded: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Videos with a few bytes overwritten at random places."""
    folder, rng = tmp_path_factory.mktemp("damaged"), np.random.default_rng(0)
    paths = []
    for kind in ("10 fps", "avi", "transport stream", "matroska"):
        for number in range(3):
            content = bytearray(encoded[kind].read_bytes())
            for place in rng.integers(64, len(content) - 16, 4):
                content[place : place + 8] = rng.bytes(8)
            paths.append(folder / f"{number} {encoded[kind].name}")
            paths[-1].write_bytes(content)
    return paths


def test_damage_gives_the_same_answer_each_time_or_a_reason(damaged: list[Path]):
    def probe() -> dict[Path, Outcome[Path, VideoInfo]]:
        limits = {"timeout_sec": 20, "memory_mb": 4096}
        return {
            outcome.item: outcome
            for outcome in map_isolated(partial(probe_video, limits=LIMITS), damaged, num_workers=1, **limits)
        }

    first = probe()
    assert len(first) == len(damaged)
    assert all((outcome.result is None) != (outcome.reason is None) for outcome in first.values())
    assert any(outcome.result for outcome in first.values())
    assert probe() == first


@dataclass(frozen=True)
class OddFile:
    """One line of the manifest of odd files."""

    name: str
    counted: int | None


def odd_files() -> list[OddFile]:
    manifest = ODD / "manifest.csv"
    if not manifest.is_file():
        return []
    with manifest.open(newline="") as file:
        counts = {row["file"]: row["ffprobe_frames"].strip(",") for row in csv.DictReader(file)}
    return [OddFile(name, int(count) if count else None) for name, count in counts.items()]


@pytest.fixture(scope="module")
def odd_outcomes() -> dict[str, Outcome[Path, VideoInfo]]:
    outcomes = map_isolated(
        partial(probe_video, limits=LIMITS),
        [ODD / odd.name for odd in odd_files()],
        num_workers=1,
        timeout_sec=60,
        memory_mb=4096,
    )
    return {outcome.item.name: outcome for outcome in outcomes}


needs_odd_files = pytest.mark.skipif(not odd_files(), reason="the folder of odd videos is not here")


@needs_odd_files
@pytest.mark.parametrize("odd", odd_files(), ids=lambda odd: odd.name)
def test_an_odd_file_has_the_frames_that_ffprobe_counts_or_a_reason(
    odd: OddFile, odd_outcomes: dict[str, Outcome[Path, VideoInfo]]
):
    outcome = odd_outcomes[odd.name]
    expected = EXCEPTIONS.get(odd.name, odd.counted)
    if isinstance(expected, str):
        assert outcome.result is None
        assert str(outcome.reason).startswith(expected)
    else:
        assert outcome.reason is None
        assert outcome.result.num_frames == expected


@needs_odd_files
def test_a_phone_video_stands_upright(odd_outcomes: dict[str, Outcome[Path, VideoInfo]]):
    info = odd_outcomes["decord_video_270.mov"].result
    assert (info.width, info.height) == (320, 568)
    path = ODD / "decord_video_270.mov"
    assert [open_video(Source(path, name, 3)).read([1]).shape for name in ("pyav", "decord")] == [(1, 568, 320, 3)] * 2


def test_the_ramp_of_the_test_videos_is_turned_too():
    # Guards the rotation tests: a frame must not look like itself turned.
    frame = barcode_frame(3).astype(int)
    assert np.abs(frame - np.rot90(frame, 2)).mean() > 20


def test_the_limit_of_a_probe_grows_with_the_size():
    probe = LIMITS
    assert [probe_limit_sec(probe, size) for size in (0, 3_000_000)] == [10, 13]
