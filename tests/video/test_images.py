"""A folder of numbered images is read as a video, at the rate that the params say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from videos import HEIGHT, LIMITS, WIDTH, barcode_frame, read_barcodes

from varml.errors import VideoError
from varml.video.clip import open_clip
from varml.video.frame_folder import size_bytes
from varml.video.probe import clip_of, probe_video
from varml.video.reader import Source, open_video


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of 12 barcodes, its numbers not padded, so that text order is not theirs; one name is not UTF-8."""
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    for index in range(12):
        write_image(folder / f"img_{index + 1}.png", index)
    return folder


def write_image(path: Path, index: int, width: int = WIDTH) -> None:
    _, coded = cv2.imencode(".png", barcode_frame(index, width)[..., ::-1])
    path.write_bytes(coded.tobytes())


def test_it_is_described_and_read_in_the_order_of_its_numbers(folder: Path):
    info = probe_video(folder, LIMITS, frame_rate=8.0)
    assert (info.num_frames, info.fps, info.duration_sec) == (12, 8.0, 1.5)
    assert (info.width, info.height, info.reader, info.codec) == (WIDTH, HEIGHT, "images", "png")
    reader = open_video(clip_of(folder, info).source)
    np.testing.assert_allclose(reader.timestamps_sec, np.arange(12) / 8)
    assert read_barcodes(reader.read([11, 0, 5, 5])) == [11, 0, 5, 5]


def test_a_clip_of_it_begins_at_its_time(folder: Path):
    clip = replace(clip_of(folder, probe_video(folder, LIMITS, frame_rate=10.0)), start_sec=0.3, end_sec=0.6)
    assert read_barcodes(open_clip(clip).read([0, 1, 2])) == [3, 4, 5]


def test_its_colours_are_red_green_and_blue(folder: Path):
    frame = open_video(Source(folder, "images", 12)).read([3])[0]
    np.testing.assert_array_equal(frame, barcode_frame(3))


def test_a_broken_image_and_another_size_are_refused(folder: Path):
    write_image(folder / "img_13.png", 12, width=2 * WIDTH)
    with pytest.raises(VideoError, match="its images have 2 sizes"):
        probe_video(folder, LIMITS)
    (folder / "img_13.png").write_bytes(b"no image")
    with pytest.raises(VideoError, match=r"its image 'img_13\.png' cannot be decoded"):
        probe_video(folder, LIMITS)


def test_an_image_that_went_is_noticed(folder: Path):
    (folder / "img_4.png").unlink()
    with pytest.raises(VideoError, match="has 11 images where 12 were found before"):
        open_video(Source(folder, "images", 12))


def test_frames_that_are_not_there(folder: Path):
    with pytest.raises(VideoError, match="frame 12 cannot be decoded"):
        open_video(Source(folder, "images", 12)).read([0, 12])


def test_its_size_is_that_of_its_images(folder: Path):
    assert size_bytes(folder) == sum(file.stat().st_size for file in folder.iterdir())
