"""What is kept of a video's pictures: the same for the same pictures, however they are coded, turned or timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from videos import LIMITS, Image, write_video

from varml.video.container import decode
from varml.video.fingerprint import (
    LEAST_SAMPLES,
    MAX_SAMPLES,
    MIRROR,
    Fingerprinter,
    Signature,
    from_text,
    stretched,
    to_text,
)
from varml.video.probe import probe_video

SIZE = (48, 64)


def disc(index: int, num_frames: int = 30) -> Image:
    """Return a frame (48, 64, 3) in which a bright disc goes from the upper left to the lower right."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    place = index / num_frames
    inside = (x - 8 - 48 * place) ** 2 + (y - 8 - 30 * place) ** 2 < 36
    return np.repeat(np.where(inside, 220, 40 + x)[..., None], 3, axis=2).astype(np.uint8)


DISC = [disc(index) for index in range(30)]


def fingerprint(path: Path) -> Signature:
    return from_text(probe_video(path, LIMITS).fingerprint)


def likeness(first: Signature, second: Signature) -> float:
    """Return the correlation of the changes of two signatures of one length."""
    one, other = np.diff(first, axis=0), np.diff(second, axis=0)
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Signature:
    return fingerprint(write_video(tmp_path_factory.mktemp("plain") / "plain.mp4", DISC, 10))


def test_a_moving_video_has_a_sample_each_tenth_of_a_second(plain: Signature):
    assert plain.shape == (30, len(MIRROR))
    assert plain.dtype == np.float32


def test_a_mirrored_video_has_the_signs_of_odd_frequencies_changed(plain: Signature, tmp_path: Path):
    mirrored = fingerprint(write_video(tmp_path / "mirrored.mp4", [frame[:, ::-1] for frame in DISC], 10))
    assert likeness(mirrored * MIRROR, plain) > 0.99
    assert likeness(mirrored, plain) < 0.8


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_video_that_is_turned_by_its_container_is_seen_upright(plain: Signature, tmp_path: Path, rotation: int):
    lying = [np.rot90(frame, -rotation // 90) for frame in DISC]
    turned = fingerprint(write_video(tmp_path / "turned.mp4", lying, 10, rotation=rotation))
    assert likeness(turned, plain) > 0.99


def test_twice_as_many_frames_a_second_give_the_same_signature(plain: Signature, tmp_path: Path):
    doubled = write_video(tmp_path / "doubled.mp4", [disc(index, 60) for index in range(60)], 20)
    assert likeness(fingerprint(doubled), plain) > 0.98


def test_a_video_at_half_the_rate_is_the_same_stretched(plain: Signature, tmp_path: Path):
    slow = fingerprint(write_video(tmp_path / "slow.mp4", DISC, 5))
    assert len(slow) == 59
    assert likeness(stretched(slow, 0.5), plain) > 0.99
    assert len(stretched(plain, 2)) == 59


def test_the_first_of_two_frames_far_apart_stands_still_between_them(tmp_path: Path):
    times = [*range(0, 1000, 100), *range(2000, 3000, 100)]
    path = write_video(tmp_path / "gap.mp4", [disc(index) for index in range(20)], 10, times=times)
    changes = np.abs(np.diff(fingerprint(path), axis=0)).max(axis=1)
    assert (changes[10:18] < 1).all()
    assert changes[18:20].max() > 20


def test_a_video_that_stands_still_has_no_fingerprint(tmp_path: Path):
    path = write_video(tmp_path / "still.mp4", [DISC[15]] * 20, 10)
    assert probe_video(path, LIMITS).fingerprint == ""


@pytest.mark.parametrize(
    ("num_frames", "num_samples"), [(1, 0), (LEAST_SAMPLES - 1, 0), (LEAST_SAMPLES, LEAST_SAMPLES)]
)
def test_a_video_too_short_to_show_motion_has_no_samples(tmp_path: Path, num_frames: int, num_samples: int):
    path = write_video(tmp_path / "short.mp4", [disc(index, 10) for index in range(num_frames)], 10)
    assert len(fingerprint(path)) == num_samples


def test_no_frame_gives_no_samples():
    assert Fingerprinter().result().shape == (0, len(MIRROR))


def test_a_long_video_is_looked_at_for_a_bounded_time(tmp_path: Path):
    (frame,) = decode(write_video(tmp_path / "one.mp4", DISC[:1], 10))
    fingerprinter = Fingerprinter()
    for index in range(0, 4 * MAX_SAMPLES, 4):
        fingerprinter.add(frame, index / 40)
    assert len(fingerprinter._pictures) == MAX_SAMPLES
    fingerprinter.add(frame, 1e9)
    assert len(fingerprinter._pictures) == MAX_SAMPLES


def test_a_leap_in_time_does_not_pass_the_bound(plain: Signature, tmp_path: Path):
    times = [*range(0, 2000, 100), *range(10**9, 10**9 + 1000, 100)]
    leaping = fingerprint(write_video(tmp_path / "leap.mkv", DISC, 10, times=times))
    assert leaping.shape == plain[:20].shape


def test_a_second_takes_540_characters_of_text(plain: Signature):
    assert len(to_text(plain)) <= 120 + 3 * 540
    assert to_text(plain).isascii()


@given(arrays(np.float32, st.tuples(st.integers(1, 40), st.just(len(MIRROR))), elements=st.floats(-2e4, 2e4, width=32)))
def test_a_signature_comes_back_from_text_to_within_half_a_step(signature: Signature):
    back = from_text(to_text(signature))
    largest = np.abs(signature - signature.mean(axis=0)).max()
    assert back.shape == signature.shape
    assert np.abs(back - signature).max() <= largest / 32767 / 2 + 0.01
