"""Copies among videos: planted ones of each kind are found, and others of the same camera are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import RATE, frames_of, plan_of, shrunk
from videos import LIMITS, Image, write_video

from varml.data.alignment import are_copies, least_fit
from varml.data.duplicates import Pair, _are_copies, find_near, find_pairs
from varml.data.lookalikes import NUM_NEIGHBOURS, similar_signatures
from varml.data.scan import ScannedFile
from varml.video.container import decode
from varml.video.fingerprint import MIRROR, Fingerprinter, from_text, to_text
from varml.video.probe import VideoInfo, probe_video

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def original() -> list[Image]:
    return frames_of(plan_of(0), "walk_left")


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function from frames to a video of them, in a folder of its own."""

    def write_one(frames: list[Image], fps: Fraction | int = RATE, **how: Any) -> Path:
        suffix = {"mpeg4": ".avi", "mjpeg": ".avi"}.get(how.get("codec", ""), ".mp4")
        return write_video(tmp_path_factory.mktemp("video") / f"video{suffix}", frames, fps, **how)

    return write_one


def info_with(fingerprint: str) -> VideoInfo:
    return VideoInfo(50, 25.0, 2.0, 160, 120, "pyav", True, "h264", "yuv420p", 0, False, 1.0, 1, 0, fingerprint)


def infos_of(*paths: Path) -> dict[str, VideoInfo]:
    return {str(path): probe_video(path, LIMITS) for path in paths}


def mirrored(frames: list[Image]) -> list[Image]:
    return [frame[:, ::-1] for frame in frames]


CRF_28, CRF_35 = {"options": {"crf": "28"}}, {"options": {"crf": "35"}}
COPIES: dict[str, tuple[Callable[[list[Image]], list[Image]], Fraction | int, dict[str, Any]]] = {
    "re-encoded": (lambda f: f, RATE, CRF_35),
    "another codec": (lambda f: f, RATE, {"codec": "mpeg4", "options": {"b": "200000"}}),
    "half the size": (shrunk, RATE, {}),
    "the beginning": (lambda f: f[:45], RATE, CRF_35),
    "from the middle": (lambda f: f[13:56], RATE, CRF_35),
    "the end": (lambda f: f[31:], RATE, CRF_35),
    "mirrored": (mirrored, RATE, CRF_35),
    "every third frame": (lambda f: f[1::3], Fraction(RATE, 3), {}),
    "played at half the rate": (lambda f: f, Fraction(RATE, 2), CRF_35),
    "mirrored, trimmed, smaller": (lambda f: mirrored(shrunk(f[9:60])), RATE, CRF_35),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found(original: list[Image], write: Callable[..., Path], kind: str):
    change, fps, how = COPIES[kind]
    paths = write(original, RATE), write(change(original), fps, **how)
    (first, second) = sorted(map(str, paths))
    assert find_near(infos_of(*paths)) == [Pair(first, second, "near")]


def test_pieces_of_one_recording_are_copies_where_they_overlap(original: list[Image], write: Callable[..., Path]):
    # Two seconds and more are shared by the first pair, nothing by the second.
    long = original + frames_of(plan_of(0), "wave")
    overlapping = infos_of(write(long[:95]), write(long[30:150]))
    adjacent = infos_of(write(long[:75]), write(long[75:]))
    assert len(find_near(overlapping)) == 1
    assert find_near(adjacent) == []


@pytest.mark.parametrize("action", ["kick", "walk_left", "sit_down"])
def test_another_motion_before_the_same_background_is_no_copy(write: Callable[..., Path], action: str):
    plan = plan_of(1)
    other = replace(plan, motion=replace(plan.motion, phase=(plan.motion.phase + 0.4) % 1))
    assert find_near(infos_of(write(frames_of(plan, "wave")), write(frames_of(other, action)))) == []


@pytest.mark.parametrize("pair", [("walk_left", "walk_right"), ("sit_down", "stand_up")])
def test_a_motion_played_backwards_is_no_copy(write: Callable[..., Path], pair: tuple[str, str]):
    plan = plan_of(2)
    assert find_near(infos_of(*[write(frames_of(plan, action)) for action in pair])) == []


def test_the_sample_holds_no_copies():
    # Its walks to the left, mirrored, are walks to the right; persons and places differ.
    infos = {}
    for path in sorted((ROOT / "sample").glob("*/*.mp4")):
        fingerprinter = Fingerprinter()
        for frame in decode(path):
            fingerprinter.add(frame, frame.time)
        infos[str(path)] = info_with(to_text(fingerprinter.result()))
    assert len(infos) == 120
    assert find_near(infos) == []


def test_scenes_in_which_nothing_moves_are_no_copies(original: list[Image], write: Callable[..., Path]):
    # Every empty scene of one camera looks alike.
    assert find_near(infos_of(write([original[0]] * 30), write([original[0]] * 20, **CRF_28))) == []


def test_of_files_with_the_same_bytes_each_is_paired_with_the_first(original: list[Image], write: Callable[..., Path]):
    info = probe_video(write(original), LIMITS)
    files = [ScannedFile(path, "run", "", "", 9, "same") for path in ("c", "a", "b")]
    pairs = find_pairs(files, dict.fromkeys("abc", info))
    assert pairs == [Pair("c", "a", "exact"), Pair("c", "b", "exact")]


def signature(number: int, num_samples: int = 40) -> np.ndarray:
    """Return the signature of one camera and a smooth random motion."""
    rows = np.random.default_rng([5, number]).normal(0, 150, (num_samples + 8, len(MIRROR)))
    smooth = sum(rows[place : place + num_samples] for place in range(9)) / 3
    return (smooth + 300 * np.cos(np.arange(len(MIRROR)))).astype(np.float32)


def test_the_candidates_of_one_camera_grow_with_the_number_of_videos_alone():
    candidates = similar_signatures([signature(number) for number in range(1000)])
    assert len(candidates) < 1000


def test_many_copies_hang_together_without_a_comparison_of_all():
    text, other = (to_text(signature(number)) for number in (0, 1))
    infos = {f"{n:03}": info_with(text) for n in range(200)}
    assert len(similar_signatures([signature(0)] * 200)) <= 200 * NUM_NEIGHBOURS
    pairs = find_near({**infos, "other": replace(infos["000"], fingerprint=other)})
    assert len(pairs) == 199
    assert {path for pair in pairs for path in (pair.first, pair.second)} == set(infos)


def test_a_mirrored_signature_is_named_so():
    first = signature(3)
    assert similar_signatures([first, signature(4), first * MIRROR]).tolist() == [[0, 2, 1]]


def test_no_videos_have_no_candidates():
    assert similar_signatures([]).shape == (0, 3)
    assert find_near({}) == []


@given(st.integers(0, 30), st.integers(20, 40), st.floats(0, 0.25))
def test_a_part_of_a_signature_is_a_copy_of_the_whole_whatever_noise_coding_adds(start: int, length: int, noise: float):
    whole = signature(6, 70)
    part = whole[start : start + length]
    coding = np.random.default_rng(0).normal(0, 1, part.shape) * np.diff(whole, axis=0).std() * noise
    assert are_copies(whole, (part + coding).astype(np.float32))
    assert are_copies((part + coding).astype(np.float32), whole)


@given(st.integers(100, 10_000))
def test_other_motions_are_no_copies(number: int):
    assert not are_copies(signature(number), signature(number + 1))


def test_a_motion_that_repeats_itself_shows_no_copy_by_fitting_at_several_times():
    period = signature(7, 9)
    noise = [np.random.default_rng(n).normal(0, 40, (45, len(MIRROR))) for n in range(2)]
    first, second = (np.tile(period, (5, 1)) + n for n in noise)
    assert not are_copies(first[:30], second[13:])


def test_a_rate_that_rounds_to_nothing_is_no_rate():
    infos = {name: info_with(to_text(signature(n))) for n, name in enumerate("ab")}
    infos["a"] = replace(infos["a"], fps=0.0)
    assert not _are_copies(infos["a"], infos["b"], False)


def test_a_short_flash_in_long_videos_of_other_motion_is_no_copy():
    scene = 3000 * np.cos(np.arange(len(MIRROR)))
    flash = 40 * np.sin(np.arange(12))[:, None] * np.sin(np.arange(len(MIRROR)))

    def long(number: int) -> np.ndarray:
        rows = np.tile(scene, (6000, 1))
        rows[:3000] += np.random.default_rng(number).normal(0, 400, (3000, len(MIRROR)))
        rows[4500:4512] += flash
        return rows.astype(np.float32)

    assert not any(are_copies(long(number), long(number + 100)) for number in range(4))


def test_a_title_card_does_not_hide_the_motion_of_the_scene():
    scene = signature(60, 40) * 0.05
    card = np.full((10, len(MIRROR)), 6000, np.float32) * np.where(np.arange(10) % 2, 1, -1)[:, None]
    titled = from_text(to_text(np.concatenate([card, scene]).astype(np.float32)))
    assert are_copies(titled, scene.astype(np.float32))


def test_what_is_asked_for_grows_for_short_pieces():
    assert [least_fit(shared) for shared in (3, 5, 15, 90)] == pytest.approx([0.93, 0.93, 0.8, 0.8])


def clip_of_a(number: int) -> ScannedFile:
    return ScannedFile("a", "run", "", "", 9, "same", start_sec=f"{number}.0", end_sec=f"{number}.9")


def test_clips_of_one_file_are_no_copies(original: list[Image], write: Callable[..., Path]):
    path = write(original)
    info = probe_video(path, LIMITS)
    copies = [ScannedFile("b", "run", "", "", 9, "same"), *[clip_of_a(n) for n in (0, 1)]]
    assert find_pairs(copies, {"a": info, "b": info}) == [Pair("b", "a", "exact")]
    clips = [ScannedFile("a", "run", f"g{n}", "", 9, "same", start_sec=f"{n}.0", end_sec=f"{n}.9") for n in (0, 1)]
    assert find_pairs(clips, {"a": info}) == []


def test_the_images_of_a_video_are_a_copy_of_it(original: list[Image], write: Callable[..., Path], tmp_path: Path):
    for number, image in enumerate(original):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), image[..., ::-1])
    video = write(original)
    infos = {"images": probe_video(tmp_path, LIMITS, RATE), "video": probe_video(video, LIMITS)}
    assert find_near(infos) == [Pair("images", "video", "near")]


def test_a_fingerprint_holds_the_clip_it_was_made_of(original: list[Image], write: Callable[..., Path]):
    # Guards the tests above: an empty signature would be a copy of nothing, and find no pair either.
    assert len(from_text(probe_video(write(original), LIMITS).fingerprint)) == 30
