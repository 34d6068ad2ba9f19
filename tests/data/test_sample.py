"""The sample dataset: its files, and that the paired actions differ by time order alone."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from varml.data.sample import generate, make_sample
from varml.data.sample.actions import ACTIONS, Motion, pose_track
from varml.data.sample.clip import (
    FRAME_RATES,
    FRAME_SIZES,
    LONGEST_SEC,
    SHORTEST_SEC,
    ClipPlan,
    plan_clip,
    render_clip,
)
from varml.data.sample.figure import Body, Pose, place_joints
from varml.data.sample.person import draw_person
from varml.data.sample.scene import draw_shake
from varml.errors import DataError

PAIRS = [("walk_left", "walk_right"), ("sit_down", "stand_up")]
LARGEST_SAMPLE_BYTES = 2_500_000
SAMPLE_VIDEOS = 120
# Mean change of all pixels, most of which are background; a figure at rest has 0.
LEAST_CHANGE = 0.3


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_sample(tmp_path_factory.mktemp("made") / "sample", num_persons=2, clips_per_person=2)


@pytest.fixture(params=range(4))
def motion(request: pytest.FixtureRequest) -> Motion:
    return plan_with_still_camera(request.param).motion


def plan_with_still_camera(number: int) -> ClipPlan:
    rng = np.random.default_rng([7, number])
    plan = plan_clip(rng, draw_person(rng))
    return replace(plan, shake=replace(plan.shake, amplitudes=np.zeros_like(plan.shake.amplitudes)))


def render(number: int, action: str) -> NDArray[np.int16]:
    """Return a video filmed by a still camera, (T, H, W, 3)."""
    return np.stack(list(render_clip(plan_with_still_camera(number), action))).astype(np.int16)


def decode(path: Path) -> tuple[av.VideoStream, list[av.VideoFrame]]:
    with av.open(str(path)) as container:
        return container.streams.video[0], list(container.decode(video=0))


def contents(paths: list[Path]) -> dict[str, bytes]:
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths}


# Files.


def test_folder_holds_one_folder_an_action_and_one_video_a_performance(sample: list[Path]) -> None:
    root = sample[0].parents[1]
    expected = {
        root / action / f"person{person:02d}_{number}.mp4"
        for action in ("walk_left", "walk_right", "sit_down", "stand_up", "wave", "kick")
        for person in (1, 2)
        for number in (1, 2)
    }
    assert sample == sorted(expected)
    assert {path for path in root.parent.rglob("*") if path.is_file()} == expected


def test_videos_have_a_known_format_and_both_sizes_and_rates_occur(sample: list[Path]) -> None:
    rates, sizes = set(), set()
    for path in sample:
        stream, frames = decode(path)
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.frames == len(frames)
        assert stream.average_rate is not None
        period_sec = 1 / Fraction(stream.average_rate)
        assert [frame.pts * frame.time_base for frame in frames] == [n * period_sec for n in range(len(frames))]
        assert SHORTEST_SEC - period_sec <= len(frames) * period_sec <= LONGEST_SEC + period_sec
        rates.add(int(stream.average_rate))
        sizes.add((frames[0].width, frames[0].height))
    assert rates == set(FRAME_RATES)
    assert sizes == set(FRAME_SIZES)


def test_default_sample_stays_small(sample: list[Path]) -> None:
    mean_bytes = np.mean([path.stat().st_size for path in sample])
    assert mean_bytes * SAMPLE_VIDEOS < LARGEST_SAMPLE_BYTES


def test_equal_seeds_give_equal_bytes_whatever_else_is_made(sample: list[Path], tmp_path: Path) -> None:
    # x264 encodes person02_1 in several ways when it may take any routine of the processor.
    alone = make_sample(tmp_path / "alone", actions=["stand_up"], num_persons=2, clips_per_person=1)
    made = contents(sample)
    assert contents(alone) == {name: made[name] for name in ("stand_up/person01_1.mp4", "stand_up/person02_1.mp4")}


def test_another_seed_another_person_and_another_performance_give_other_bytes(
    sample: list[Path], tmp_path: Path
) -> None:
    other_seed = make_sample(tmp_path / "other", seed=1, actions=["kick"], num_persons=1, clips_per_person=1)
    videos = [*contents(sample).values(), *contents(other_seed).values()]
    assert len(set(videos)) == len(videos) == 25


# Requests.


def test_refuses_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match=r"is not empty.*only into a new or empty folder.*Name another folder"):
        make_sample(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_writes_into_an_empty_folder_with_the_usual_permissions(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    usual_mode = folder.stat().st_mode
    paths = make_sample(folder, actions=["wave"], num_persons=1, clips_per_person=1)
    assert paths == [folder / "wave" / "person01_1.mp4"]
    assert folder.stat().st_mode == usual_mode


def test_reports_all_faults_of_a_request_together(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        make_sample(tmp_path / "sample", seed=-1, actions=["walk", "kick"], num_persons=0, clips_per_person=0)
    message = str(caught.value)
    for part in (
        "'walk'",
        "walk_left, walk_right",
        "seed is -1",
        "num_persons is 0",
        "clips_per_person is 0",
    ):
        assert part in message
    assert not (tmp_path / "sample").exists()


def test_an_interrupted_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def write_one_then_fail(path: Path, *_: object) -> None:
        if written:
            raise KeyboardInterrupt
        path.write_bytes(b"video")
        written.append(path)

    monkeypatch.setattr(generate, "write_video", write_one_then_fail)
    with pytest.raises(KeyboardInterrupt):
        make_sample(tmp_path / "sample")
    assert written
    assert list(tmp_path.iterdir()) == []


# Actions.


@pytest.mark.parametrize(("forwards", "backwards"), PAIRS)
def test_paired_actions_are_each_others_reversal(forwards: str, backwards: str, motion: Motion) -> None:
    track = pose_track(ACTIONS[forwards], motion, 20)
    assert pose_track(ACTIONS[backwards], motion, 20) == track[::-1]
    assert track != track[::-1]


@pytest.mark.parametrize(("forwards", "backwards"), PAIRS)
def test_paired_videos_hold_the_same_frames(forwards: str, backwards: str) -> None:
    assert np.array_equal(render(0, forwards), render(0, backwards)[::-1])


def test_walks_cover_the_same_places_in_opposite_directions(motion: Motion) -> None:
    left = np.array([pose.travel for pose in pose_track(ACTIONS["walk_left"], motion, 20)])
    right = np.array([pose.travel for pose in pose_track(ACTIONS["walk_right"], motion, 20)])
    assert (np.diff(left) < 0).all()
    assert (np.diff(right) > 0).all()
    assert left == pytest.approx(-left[::-1])


@pytest.mark.parametrize(("action", "direction"), [("walk_left", -1), ("walk_right", 1)])
@pytest.mark.parametrize("number", range(3))
def test_a_walk_moves_the_figure_across_the_image(action: str, direction: int, number: int) -> None:
    video = render(number, action)
    foreground = np.abs(video - np.median(video, axis=0)).sum(axis=-1) > 60  # (T, H, W)
    first, last = (np.nonzero(mask)[1].mean() for mask in (foreground[0], foreground[-1]))
    assert direction * (last - first) > 10


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("number", range(2))
def test_every_action_moves_without_the_camera(action: str, number: int) -> None:
    video = render(number, action)
    change = np.abs(video - video[0]).mean(axis=(1, 2, 3))
    assert change[0] == 0
    assert change.max() > LEAST_CHANGE


def test_a_seated_figure_is_lower_and_both_ends_are_held(motion: Motion) -> None:
    body = plan_with_still_camera(0).person.body
    track = pose_track(ACTIONS["sit_down"], motion, 40)
    heights = np.array([pelvis_height(pose, body) for pose in track])
    assert heights[0] - heights[-1] > 0.15
    assert (np.diff(heights) < 1e-9).all()
    assert track[0] == track[1]
    assert track[-1] == track[-2]


def pelvis_height(pose: Pose, body: Body) -> float:
    return float(place_joints(body, pose, yaw=0.3)["pelvis"][1])


@pytest.mark.parametrize("action", ACTIONS)
def test_a_foot_is_always_on_the_ground(action: str, motion: Motion) -> None:
    body = plan_with_still_camera(0).person.body
    for pose in pose_track(ACTIONS[action], motion, 20):
        joints = place_joints(body, pose, yaw=0.3)
        assert min(joints["left_ankle"][1], joints["right_ankle"][1]) == pytest.approx(0)


@pytest.mark.parametrize("action", ACTIONS)
def test_poses_follow_from_seconds_not_from_frames(action: str, motion: Motion) -> None:
    coarse = pose_track(ACTIONS[action], motion, 16)
    fine = pose_track(ACTIONS[action], motion, 31)
    for at_coarse, at_fine in zip(coarse, fine[::2], strict=True):
        assert numbers(at_coarse) == pytest.approx(numbers(at_fine))


def numbers(pose: Pose) -> list[float]:
    bones = [pose.trunk, *pose.left_arm, *pose.right_arm, *pose.left_leg, *pose.right_leg]
    return [pose.travel, *(angle for bone in bones for angle in bone)]


def test_the_camera_moves_smoothly_by_less_than_a_pixel_or_so_a_frame() -> None:
    shake = draw_shake(np.random.default_rng(0))
    centre = np.array([80.0, 60.0, 1.0])
    path = np.stack([shake.matrix_at(index / 25, 160, 120) @ centre for index in range(50)])
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert 0.05 < steps.max() < 1.5
    assert np.ptp(path, axis=0).max() > 0.3
