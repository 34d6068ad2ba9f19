"""Which frames are taken follows from times, clip and generator alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from varml.video.sampling import nearest_frames, sample_indices


def even(num_frames: int, fps: float) -> np.ndarray:
    return np.arange(num_frames) / fps


@pytest.mark.parametrize(
    ("num_frames", "expected"),
    [
        # Segments of 0.5 s, snippets of 0.1 s: they start 0.2 s into their segments.
        (10, [[2, 3], [7, 8]]),
        # Segments of 1 s: snippets start at 0.45 s and 1.45 s, and a tie goes to the earlier frame.
        (20, [[4, 5], [14, 15]]),
        # Segments of 0.2 s: snippets start at 0.05 s and 0.25 s.
        (4, [[0, 1], [2, 3]]),
        # Segments of 0.1 s, as long as the snippet: the second is moved inside the video.
        (2, [[0, 1], [0, 1]]),
        (1, [[0, 0], [0, 0]]),
    ],
)
def test_two_segments_of_two_frames_at_10_fps(num_frames: int, expected: list[list[int]]):
    indices = sample_indices(even(num_frames, 10), 2, 2, 0.1)
    assert indices.tolist() == expected
    assert indices.dtype == np.int64


def test_the_interval_is_in_seconds():
    # One segment of 1 s, a snippet of 0.6 s that starts at 0.2 s.
    assert sample_indices(even(10, 10), 1, 3, 0.3).tolist() == [[2, 5, 8]]
    assert sample_indices(even(60, 60), 1, 3, 0.3).tolist() == [[12, 30, 48]]


def test_a_video_shorter_than_a_snippet_repeats_its_last_frame():
    assert sample_indices(even(2, 10), 1, 4, 0.1).tolist() == [[0, 1, 1, 1]]
    assert sample_indices(even(3, 10), 2, 5, 0.1).tolist() == [[0, 1, 2, 2, 2]] * 2


def test_uneven_times():
    times = np.array([0.0, 0.1, 0.2, 0.9, 1.0, 1.1])
    # The video lasts 1.1 s + 0.1 s; one snippet of 0.2 s in its middle shows 0.5 s and 0.7 s.
    assert sample_indices(times, 1, 2, 0.2).tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("time_sec", "index"), [(-1, 0), (0, 0), (0.04, 0), (0.05, 0), (0.0501, 1), (0.149, 1), (0.21, 2), (9, 2)]
)
def test_the_nearest_frame(time_sec: float, index: int):
    assert nearest_frames(even(3, 10), np.array([time_sec])).tolist() == [index]


times_of_frames = st.lists(st.integers(1, 3000), min_size=0, max_size=40).map(
    lambda gaps: np.concatenate([[0.0], np.cumsum(gaps) / 1000])
)
clips = st.tuples(st.integers(1, 12), st.integers(2, 6), st.floats(0.001, 2))
generators = st.none() | st.integers(0, 2**32).map(np.random.default_rng)


@given(times_of_frames, clips, generators)
def test_indices_lie_in_the_video_and_do_not_descend_in_a_segment(times, clip, generator):
    num_segments, frames_per_segment, interval_sec = clip
    indices = sample_indices(times, num_segments, frames_per_segment, interval_sec, generator)
    assert indices.shape == (num_segments, frames_per_segment)
    assert indices.min() >= 0
    assert indices.max() < len(times)
    assert (np.diff(indices, axis=1) >= 0).all()


@given(times_of_frames, clips)
def test_segments_do_not_descend_without_a_generator(times, clip):
    assert (np.diff(sample_indices(times, *clip), axis=0) >= 0).all()


@given(times_of_frames, st.lists(st.floats(-1, 130), min_size=1, max_size=5))
def test_no_other_frame_is_nearer(times, asked):
    chosen = nearest_frames(times, np.asarray(asked))
    for time, index in zip(asked, chosen, strict=True):
        assert abs(times[index] - time) <= np.abs(times - time).min() + 1e-8


@given(
    duration_sec=st.integers(1, 20),
    num_segments=st.integers(1, 10),
    frames=st.integers(2, 6),
    tenths=st.integers(1, 10),
)
def test_steps_are_as_long_at_10_as_at_60_fps(duration_sec: int, num_segments: int, frames: int, tenths: int):
    slow, fast = even(duration_sec * 10, 10), even(duration_sec * 60, 60)
    # Only a snippet that fits into its segment and ends before the last frame of both is not cut off.
    snippet_tenths = tenths * (frames - 1)
    assume(snippet_tenths * num_segments <= duration_sec * 10 and snippet_tenths < duration_sec * 10)
    for times in (slow, fast):
        indices = sample_indices(times, num_segments, frames, tenths / 10)
        np.testing.assert_allclose(np.diff(times[indices], axis=1), tenths / 10, atol=1e-9)


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_the_generator_stays_inside_the_segment(seed: int, num_segments: int):
    times = even(200, 50)
    indices = sample_indices(times, num_segments, 3, 0.1, np.random.default_rng(seed))
    segment_sec = 4 / num_segments
    starts = np.arange(num_segments) * segment_sec
    assert (times[indices[:, 0]] >= starts - 0.011).all()
    assert (times[indices[:, -1]] <= starts + segment_sec + 0.011).all()


def test_the_generator_jitters_and_the_same_seed_gives_the_same_frames():
    times = even(200, 50)
    drawn = [sample_indices(times, 4, 2, 0.1, np.random.default_rng(seed)) for seed in (0, 0, 1, 2, 3)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert len({indices.tobytes() for indices in drawn}) == 4
    assert len({row[0] - 50 * place for place, row in enumerate(drawn[0])}) > 1, "each segment draws for itself"


def test_every_place_of_a_segment_is_drawn():
    times = even(10, 10)
    first = {sample_indices(times, 1, 2, 0.1, np.random.default_rng(seed))[0, 0] for seed in range(200)}
    assert first == set(range(9))
