"""The times of a clip: one text for each number, and what a video must hold of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varml.data.clips import clip_fault, clip_times, end_within
from varml.data.labelled_file import LabelledFile

SECONDS = st.floats(0, 1e300)


def clip(start_sec: float, end_sec: float) -> LabelledFile:
    return LabelledFile("a.mp4", "run", start_sec=repr(start_sec), end_sec=repr(end_sec))


@given(SECONDS, SECONDS)
def test_times_come_back_as_the_same_numbers(one: float, other: float):
    start, end = min(one, other), max(one, other)
    if start == end:
        with pytest.raises(ValueError, match="0 <= start_sec < end_sec"):
            clip_times(repr(start), repr(end))
        return
    texts = clip_times(f"{start:.20e}", repr(end))
    assert tuple(map(float, texts)) == (start, end)
    assert clip_times(*texts) == texts


def test_equal_numbers_have_one_text():
    assert clip_times("-0", "1e1") == clip_times("0.00", " 10 ") == ("0.0", "10.0")
    assert clip_times("", "") == ("", "")


@given(st.floats(0.1, 100), st.floats(0, 200), st.floats(0.01, 200))
def test_a_clip_that_is_kept_lies_in_its_video(duration_sec: float, start_sec: float, length_sec: float):
    asked = clip(start_sec, start_sec + length_sec)
    if clip_fault(asked, duration_sec) is None:
        assert start_sec < float(end_within(asked, duration_sec)) <= duration_sec
        assert float(end_within(asked, duration_sec)) >= float(asked.end_sec) - 1
    else:
        assert start_sec >= duration_sec or float(asked.end_sec) > duration_sec + 1


def test_the_reasons_name_both_times():
    assert clip_fault(clip(12.5, 20), 10.0) == "its clip begins at 12.5 s and the video ends at 10 s"
    assert clip_fault(clip(1, 11.1), 10.0) == "its clip ends at 11.1 s and the video at 10 s"
    assert clip_fault(clip(1, 11), 10.0) is None
    assert clip_fault(LabelledFile("a.mp4", "run"), 0.0) is None


def test_a_whole_video_has_no_end_of_its_own():
    assert end_within(LabelledFile("a.mp4", "run"), 10.0) == ""
