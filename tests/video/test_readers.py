"""Both readers return exactly the frames that were asked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from videos import HEIGHT, WIDTH, barcode_frame, read_barcode, read_barcodes, write_barcodes, write_video

from varml.errors import VideoError
from varml.video.container import decode
from varml.video.reader import Source, open_video, readers

NUM_FRAMES = 40
BOTH = ["10 fps", "29.97 fps", "60 fps", "short GOP", "matroska", "uneven", "avi"]
PYAV_ALONE = ["avi with B-frames", "open GOP", "transport stream", "program stream"]
ORDERS = [
    list(range(NUM_FRAMES)),
    list(reversed(range(NUM_FRAMES))),
    [7, 2, 39, 2, 0, 38, 13],
    [39],
    [20, 21],
]


def test_the_barcode_tells_every_index_apart():
    assert read_barcodes(barcode_frame(index) for index in range(1024)) == list(range(1024))


def test_all_readers_are_registered():
    assert set(readers.names()) == {"decord", "images", "pyav"}


@pytest.mark.parametrize("indices", ORDERS, ids=lambda indices: f"{len(indices)} from {indices[0]}")
@pytest.mark.parametrize(
    ("reader", "kind"),
    [(reader, kind) for reader in ("pyav", "decord") for kind in BOTH] + [("pyav", kind) for kind in PYAV_ALONE],
)
def test_a_reader_gives_the_frames_asked_for_in_their_order(
    encoded: dict[str, Path], reader: str, kind: str, indices: list[int]
):
    frames = open_video(Source(encoded[kind], reader, NUM_FRAMES)).read(indices)
    assert frames.shape == (len(indices), HEIGHT, WIDTH, 3)
    assert frames.dtype == np.uint8
    assert read_barcodes(frames) == indices


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(st.integers(0, NUM_FRAMES - 1), min_size=1, max_size=8))
@pytest.mark.parametrize("kind", BOTH + PYAV_ALONE)
def test_what_is_skipped_changes_no_bit(encoded: dict[str, Path], kind: str, wanted: list[int]):
    by_index, in_order = (
        open_video(Source(encoded[kind], "pyav", NUM_FRAMES, indexed=indexed)).read(wanted) for indexed in (True, False)
    )
    np.testing.assert_array_equal(by_index, in_order)


def test_one_decord_reader_answers_again_and_again(encoded: dict[str, Path]):
    reader = open_video(Source(encoded["10 fps"], "decord", NUM_FRAMES))
    assert [read_barcode(reader.read([index])[0]) for index in (30, 3, 31, 0, 39)] == [30, 3, 31, 0, 39]


@pytest.mark.parametrize("kind", BOTH)
def test_both_readers_give_the_same_colours(encoded: dict[str, Path], kind: str):
    by_pyav, by_decord = (
        open_video(Source(encoded[kind], name, NUM_FRAMES)).read([3, 17]) for name in ("pyav", "decord")
    )
    assert np.abs(by_pyav.astype(int) - by_decord).mean() < 1


@pytest.mark.parametrize("kind", ["10 fps", "avi with B-frames"])
def test_colours_are_rgb(encoded: dict[str, Path], kind: str):
    frame = open_video(Source(encoded[kind], "pyav", NUM_FRAMES)).read([5])[0]
    right = barcode_frame(5)
    assert np.abs(frame[16:].astype(int) - right[16:]).mean(axis=(0, 1)).max() < 6


@pytest.mark.parametrize(
    ("kind", "fps"),
    [("10 fps", 10), ("29.97 fps", 30000 / 1001), ("60 fps", 60), ("matroska", 25), ("avi with B-frames", 25),
     ("transport stream", 25)],
)  # fmt: skip
def test_timestamps_are_those_of_the_frame_rate_from_zero(encoded: dict[str, Path], kind: str, fps: float):
    seconds = open_video(Source(encoded[kind], "pyav", NUM_FRAMES)).timestamps_sec
    # Matroska writes whole milliseconds.
    np.testing.assert_allclose(seconds, np.arange(NUM_FRAMES) / fps, atol=0.001)


def test_uneven_timestamps_are_kept(encoded: dict[str, Path]):
    expected = [0.1 * i + 0.04 * (i % 3) for i in range(NUM_FRAMES)]
    for name in ("pyav", "decord"):
        np.testing.assert_allclose(
            open_video(Source(encoded["uneven"], name, NUM_FRAMES)).timestamps_sec, expected, atol=1e-4
        )


@pytest.mark.parametrize("reader", ["pyav", "decord"])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_frames_are_turned_upright(tmp_path: Path, reader: str, turns: int):
    path = write_barcodes(tmp_path / "turned.mp4", 4, rotation=90 * turns)
    frame = open_video(Source(path, reader, 4)).read([3])[0]
    assert frame.shape == ((HEIGHT, WIDTH, 3) if turns % 2 == 0 else (WIDTH, HEIGHT, 3))
    # The display matrix turns counter-clockwise, as np.rot90 does.
    upright = np.rot90(barcode_frame(3), turns)
    assert np.abs(frame.astype(int) - upright).mean() < 6
    assert read_barcode(np.rot90(frame, -turns)) == 3


@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_an_index_after_the_end_is_refused(encoded: dict[str, Path], reader: str):
    with pytest.raises(VideoError, match=str(NUM_FRAMES)):
        open_video(Source(encoded["10 fps"], reader, NUM_FRAMES)).read([0, NUM_FRAMES])


def test_decord_is_refused_where_it_counts_other_frames(encoded: dict[str, Path]):
    with pytest.raises(VideoError, match="decord counts 40 frames where 41 decode"):
        open_video(Source(encoded["10 fps"], "decord", NUM_FRAMES + 1))


@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_a_file_that_does_not_exist(tmp_path: Path, reader: str):
    with pytest.raises(VideoError):
        open_video(Source(tmp_path / "missing.mp4", reader, 1))


def test_an_unknown_reader(encoded: dict[str, Path]):
    with pytest.raises(KeyError, match=r"no video reader is named 'decrod'.*did you mean 'decord'"):
        open_video(Source(encoded["10 fps"], "decrod", NUM_FRAMES))


NAMES = [
    "-dash.mp4",
    "http:clip.mp4",
    "concat:a|b.mp4",
    "a%03d.mp4",
    "a?b#c&d.mp4",
    'it\'s "so".mp4',
    "a\nb.mp4",
    "é.mp4",
]


@pytest.mark.parametrize("reader", ["pyav", "decord"])
@pytest.mark.parametrize("name", NAMES)
def test_odd_names_are_names_and_nothing_more(encoded: dict[str, Path], tmp_path: Path, name: str, reader: str):
    (tmp_path / name).write_bytes(encoded["10 fps"].read_bytes())
    assert read_barcodes(open_video(Source(tmp_path / name, reader, NUM_FRAMES)).read([9])) == [9]


@pytest.mark.parametrize("name", NAMES)
def test_odd_relative_names_are_names_for_pyav(
    encoded: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    (tmp_path / name).write_bytes(encoded["10 fps"].read_bytes())
    monkeypatch.chdir(tmp_path)
    assert sum(1 for _ in decode(Path(name))) == NUM_FRAMES


def test_one_frame(tmp_path: Path):
    path = write_barcodes(tmp_path / "one.mp4", 1)
    for reader in ("pyav", "decord"):
        source = open_video(Source(path, reader, 1))
        assert source.timestamps_sec.tolist() == [0.0]
        assert read_barcodes(source.read([0, 0])) == [0, 0]


def test_a_file_without_pictures(tmp_path: Path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="has no video stream"):
        list(decode(path))


def test_a_still_picture_repeated_is_counted(tmp_path: Path):
    path = write_video(tmp_path / "still.mp4", [barcode_frame(5)] * 12, Fraction(24000, 1001))
    assert read_barcodes(open_video(Source(path, "pyav", 12)).read(list(range(12)))) == [5] * 12
