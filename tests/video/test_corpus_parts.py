"""What the corpus of strange videos is built on: its barcode, its own sampling, equal bytes each time."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from corpus.barcode import barcode_frame, level_frame, read_barcode, read_level
from corpus.codecs import CODECS
from corpus.kit import Kit
from corpus.record import Entry
from corpus.truth import allowed_frames, wanted_times

from varml.video.scale import scale, scaled_size

INDICES = [*range(0, 300), *range(300, 65536, 977), 65535]


@pytest.mark.parametrize("size", [(6, 4), (16, 16), (64, 48), (127, 95), (213, 160), (2048, 32)])
def test_every_index_is_read_back_at_every_size(size: tuple[int, int]):
    assert [read_barcode(barcode_frame(index, *size)) for index in INDICES] == INDICES


@pytest.mark.parametrize("short_side_px", [48, 64, 100, 160])
def test_the_barcode_survives_scaling_blur_and_jpeg(short_side_px: int):
    for index in INDICES[::7]:
        gray = cv2.GaussianBlur(barcode_frame(index, 128, 96), (5, 5), 0)
        scaled = scale(np.repeat(gray[..., None], 3, axis=2), scaled_size(128, 96, short_side_px))
        coded = simplejpeg.encode_jpeg(np.ascontiguousarray(scaled), 50, "RGB", "420")
        assert read_barcode(simplejpeg.decode_jpeg(coded)) == index


def test_a_frame_that_does_not_stand_upright_has_no_barcode():
    for index in range(100):
        frame = barcode_frame(index, 120, 80)
        others = [np.rot90(frame, turns) for turns in (1, 2, 3)] + [frame[::-1], frame[:, ::-1]]
        assert [read_barcode(other) for other in others] == [None] * 5


def test_two_frames_in_one_have_no_barcode():
    for index in range(100):
        one, next_one = (barcode_frame(number, 128, 96).astype(int) for number in (index, index + 1))
        assert read_barcode(((one + next_one) // 2).astype(np.uint8)) is None


def test_no_single_cell_can_flip_unnoticed():
    for index in INDICES[::7]:
        frame = barcode_frame(index, 60, 40)
        for y in range(0, 40, 10):
            for x in range(0, 60, 10):
                other = frame.copy()
                other[y : y + 10, x : x + 10] = 255 - other[y : y + 10, x : x + 10]
                assert read_barcode(other) is None


def test_pixels_too_few_for_a_barcode_tell_the_index_by_their_level():
    assert [read_level(level_frame(index, 2, 1)) for index in range(10)] == list(range(10))
    assert read_level(level_frame(3, 2, 1) + np.uint8(10)) is None


def test_the_truth_of_a_sampling_done_by_hand():
    times = [index / 10 for index in range(10)]
    # Two segments of 0.5 s; snippets of 0.1 s start 0.2 s into them.
    wanted = wanted_times(times, 2, 2, 0.1)
    assert wanted == pytest.approx([0.2, 0.3, 0.7, 0.8])
    assert allowed_frames(times, wanted, 0.0001) == [{2}, {3}, {7}, {8}]


def test_the_truth_of_uneven_times_and_of_a_late_start():
    times = [5.0, 5.1, 5.2, 5.9, 6.0, 6.1]
    # 1.1 s and the median 0.1 s: a snippet of 0.2 s in the middle shows 0.5 s and 0.7 s.
    assert allowed_frames(times, wanted_times(times, 1, 2, 0.2), 0.001) == [{2}, {3}]


def test_the_truth_of_a_video_shorter_than_a_snippet():
    assert allowed_frames([0.0, 0.1], wanted_times([0.0, 0.1], 1, 4, 0.1), 0.001) == [{0}, {1}, {1}, {1}]
    assert allowed_frames([0.0], wanted_times([0.0], 2, 2, 0.1), 0.001) == [{0}] * 4


def test_times_that_a_container_rounds_leave_two_frames_where_neither_is_nearer():
    assert allowed_frames([0.0, 0.1, 0.2], [0.0501, 0.15, 0.19], 0.002) == [{0, 1}, {1, 2}, {2}]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the corpus is made by the program ffmpeg")
@pytest.mark.parametrize("entry", CODECS[::6], ids=lambda entry: entry.record.name)
def test_a_file_of_the_corpus_has_equal_bytes_each_time(tmp_path: Path, entry: Entry):
    contents = []
    for number in range(2):
        path = tmp_path / str(number) / entry.record.name
        path.parent.mkdir()
        entry.make(path, Kit(tmp_path / f"work {number}"))
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
