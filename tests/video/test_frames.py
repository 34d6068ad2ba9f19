"""Stored frames: the right ones, scaled, the same in extraction and in prediction, under a name of their own."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from videos import HEIGHT, LIMITS, WIDTH, barcode_frame, clip, read_barcodes, write_barcodes, write_video

from varml.config.params import Frames as FrameParams
from varml.errors import VideoError
from varml.ground.paths import FRAMES
from varml.video.frames import (
    FrameTask,
    clip_frames,
    extract_frames,
    frames_files,
    frames_key,
    read_frames,
    sample_frames,
)
from varml.video.probe import clip_of, probe_video
from varml.video.sampling import sample_indices
from varml.video.scale import scale, scaled_size

PARAMS = FrameParams(
    num_segments=2, frames_per_segment=2, frame_interval_sec=0.1, short_side_px=HEIGHT, jpeg_quality=95,
    illumination="none",
)  # fmt: skip
OTHER = {
    "num_segments": 3, "frames_per_segment": 3, "frame_interval_sec": 0.2, "short_side_px": 48, "jpeg_quality": 90,
    "illumination": "clahe",
}  # fmt: skip
# Segments of 2 s, snippets of 0.1 s that start 0.95 s into them; a tie goes to the earlier frame.
EXPECTED_AT_10_FPS = [9, 10, 29, 30]


@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_the_frames_are_those_of_the_sampling(encoded: dict[str, Path], reader: str):
    frames = sample_frames(clip(encoded["10 fps"], reader, 40), PARAMS)
    assert frames.shape == (2, 2, HEIGHT, WIDTH, 3)
    assert frames.dtype == np.uint8
    assert read_barcodes(frames.reshape(-1, HEIGHT, WIDTH, 3)) == EXPECTED_AT_10_FPS


def test_60_fps_give_frames_six_times_as_far_apart(encoded: dict[str, Path]):
    frames = sample_frames(clip(encoded["60 fps"], "pyav", 40), PARAMS)
    shown = read_barcodes(frames.reshape(-1, HEIGHT, WIDTH, 3))
    # 40 frames last 2/3 s, a segment 1/3 s = 20 frames, a snippet 6 frames: it starts 7 frames into its segment.
    assert shown == [7, 13, 27, 33]


def test_a_short_video_repeats_its_last_frame(tmp_path: Path):
    path = write_barcodes(tmp_path / "short.mp4", 2)
    frames = sample_frames(clip(path, "pyav", 2), PARAMS.model_copy(update={"frames_per_segment": 4}))
    assert read_barcodes(frames.reshape(-1, HEIGHT, WIDTH, 3)) == [0, 1, 1, 1] * 2


@pytest.mark.parametrize("kind", ["29.97 fps", "avi with B-frames"])
def test_prediction_sees_what_extraction_stored(encoded: dict[str, Path], tmp_path: Path, kind: str):
    params = PARAMS.model_copy(update={"short_side_px": 40, "jpeg_quality": 80})
    target = tmp_path / "made" / "one.pack"
    extract_frames(FrameTask(clip(encoded[kind], "pyav", 40), target, params))
    stored = read_frames(target)
    assert stored.shape == (2, 2, 40, 50, 3)
    np.testing.assert_array_equal(clip_frames(clip(encoded[kind], "pyav", 40), params), stored)


def test_stored_frames_are_close_to_those_before_packing(encoded: dict[str, Path], tmp_path: Path):
    extract_frames(FrameTask(clip(encoded["10 fps"], "decord", 40), tmp_path / "one.pack", PARAMS))
    stored = read_frames(tmp_path / "one.pack")
    assert read_barcodes(stored.reshape(-1, HEIGHT, WIDTH, 3)) == EXPECTED_AT_10_FPS
    assert np.abs(stored.astype(int) - sample_frames(clip(encoded["10 fps"], "decord", 40), PARAMS)).mean() < 2


def test_extraction_twice_gives_equal_bytes(encoded: dict[str, Path], tmp_path: Path):
    for name in ("one", "two"):
        extract_frames(FrameTask(clip(encoded["10 fps"], "decord", 40), tmp_path / name, PARAMS))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_video_that_cannot_be_decoded_leaves_no_file(tmp_path: Path):
    (tmp_path / "bad.mp4").write_bytes(bytes(100))
    with pytest.raises(VideoError):
        extract_frames(FrameTask(clip(tmp_path / "bad.mp4", "pyav", 40), tmp_path / "made" / "bad.pack", PARAMS))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("shape", "short_side", "expected"),
    [((100, 200), 50, (50, 100)), ((200, 100), 50, (100, 50)), ((60, 60), 32, (32, 32)), ((48, 80), 96, (96, 160)),
     ((101, 203), 50, (50, 100)), ((100, 100), 100, (100, 100))],
)  # fmt: skip
def test_the_short_side_is_scaled_and_the_aspect_kept(
    shape: tuple[int, int], short_side: int, expected: tuple[int, int]
):
    flat = np.full((*shape, 3), 90, np.uint8)
    scaled = scale(flat, scaled_size(flat.shape[1], flat.shape[0], short_side))
    assert scaled.shape == (*expected, 3)
    assert scaled.dtype == np.uint8
    assert (scaled == 90).all()


def test_shrinking_averages_the_area():
    checkers = np.zeros((64, 64, 3), np.uint8)
    checkers[::2, ::2] = checkers[1::2, 1::2] = 200
    assert (scale(checkers, (32, 32)) == 100).all()


def row(**values: object) -> SimpleNamespace:
    whole = {"digest": "d", "reader": "pyav", "start_sec": "", "end_sec": "", "fps": 25.0}
    return SimpleNamespace(**(whole | values))


@pytest.mark.parametrize("name", list(FrameParams.model_fields))
def test_every_param_changes_the_name(name: str):
    changed = FrameParams.model_validate({**PARAMS.model_dump(), name: OTHER[name]})
    assert frames_key(row(), changed) != frames_key(row(), PARAMS)


def test_the_content_the_reader_and_the_clip_change_the_name():
    rows = [row(), row(digest="e"), row(reader="decord"), row(start_sec="1.0", end_sec="2.0"), row(reader="images")]
    assert len({frames_key(one, PARAMS) for one in rows}) == len(rows)
    assert frames_key(row(), PARAMS) == frames_key(row(), PARAMS.model_copy())


def test_the_rate_matters_where_the_bytes_do_not_tell_it():
    assert frames_key(row(fps=30.0), PARAMS) == frames_key(row(), PARAMS)
    assert frames_key(row(reader="images", fps=30.0), PARAMS) != frames_key(row(reader="images"), PARAMS)


def test_the_files_of_a_manifest_are_in_its_order(tmp_path: Path):
    rows = [row(digest="a"), row(digest="b", reader="decord")]
    expected = [tmp_path / FRAMES / f"{frames_key(one, PARAMS)}.pack" for one in rows]
    assert frames_files(pd.DataFrame([vars(one) for one in rows]), PARAMS, tmp_path) == expected


@pytest.mark.parametrize(("start_sec", "end_sec", "first"), [(1.0, 3.0, 10), (0.0, 2.0, 0), (2.5, None, 25)])
def test_a_clip_has_the_frames_between_its_times(
    encoded: dict[str, Path], start_sec: float, end_sec: float | None, first: int
):
    whole = clip(encoded["10 fps"], "pyav", 40)
    frames = sample_frames(replace(whole, start_sec=start_sec, end_sec=end_sec), PARAMS)
    last = 39 if end_sec is None else round(10 * end_sec) - 1
    indices = read_barcodes(frames.reshape(-1, *frames.shape[2:]))
    expected = sample_indices(
        np.arange(last - first + 1) / 10, PARAMS.num_segments, PARAMS.frames_per_segment, PARAMS.frame_interval_sec
    )
    assert indices == (expected.ravel() + first).tolist()


def test_a_clip_without_a_frame_is_refused(encoded: dict[str, Path]):
    with pytest.raises(VideoError, match=r"no frame is shown from 4\.5 s to 5 s"):
        sample_frames(replace(clip(encoded["10 fps"], "pyav", 40), start_sec=4.5, end_sec=5.0), PARAMS)


def test_a_pixel_that_is_not_square_is_made_so(tmp_path: Path):
    path = write_video(tmp_path / "wide.mp4", [barcode_frame(i) for i in range(6)], aspect=Fraction(2))
    info = probe_video(path, LIMITS)
    assert (info.width, info.height, info.sample_aspect_ratio) == (2 * WIDTH, HEIGHT, 2.0)
    assert sample_frames(clip_of(path, info), PARAMS).shape[2:4] == (
        PARAMS.short_side_px,
        round(2.5 * PARAMS.short_side_px),
    )
