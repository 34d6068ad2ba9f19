"""`varml inspect` shows what a model sees of a video, on params.yaml alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from matplotlib.image import imread
from project import ROOT, Project
from videos import write_video

from varml.data.names import to_text
from varml.inspection.film import CAPTION_PX

Varml = Callable[..., tuple[int, str]]
Image = np.ndarray
SEGMENTS, FRAMES = 12, 2  # of the shipped params
STEP_PX = 3


def texture(height: int = 120, width: int = 160) -> Image:
    """Return (height, width, 3) uint8: blurred noise over the full range, which can be rolled around."""
    noise = np.random.default_rng(0).random((height, width)).astype(np.float32)
    blurred = cv2.GaussianBlur(np.tile(noise, (3, 3)), (0, 0), 2)[height : 2 * height, width : 2 * width]
    gray = (blurred - blurred.min()) / np.ptp(blurred) * 255
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=-1)


def write_moving(path: Path, num_frames: int = 20, image: Image | None = None) -> Path:
    """Write ten frames a second of an image that moves right by three pixels each, and return ``path``."""
    image = texture() if image is None else image
    return write_video(path, [np.roll(image, STEP_PX * number, axis=1) for number in range(num_frames)])


def film_of(path: Path) -> tuple[list[Image], list[Image]]:
    """Return the left and the right halves of a film, without its captions."""
    with av.open(str(path)) as container:
        images = [frame.to_ndarray(format="rgb24")[:-CAPTION_PX] for frame in container.decode(video=0)]
    halves = [np.split(image, 2, axis=1) for image in images]
    return [left for left, _ in halves], [right for _, right in halves]


def red_share(image: Image) -> float:
    """Return which share of an image is of the colour of motion to the right."""
    return float(((image[..., 0] > 220) & (image[..., 1] < 110) & (image[..., 2] < 110)).mean())


def white_share(image: Image) -> float:
    return float((image > 235).all(axis=-1).mean())


@pytest.fixture
def video(project: Path) -> Path:
    """A video in which all moves to the right, in the project's folder."""
    return write_moving(Path("my video.mp4"))


def test_motion_to_the_right_is_red_in_both_pictures(varml: Varml, video: Path) -> None:
    assert varml("inspect", str(video)) == (0, "inspected/my video.png\ninspected/my video.mp4\n")
    left, right = film_of(Path("inspected/my video.mp4"))
    assert len(left) == SEGMENTS * FRAMES
    assert all(red_share(image[20:-20, 40:-40]) > 0.9 for image in right)
    sheet = (imread("inspected/my video.png")[..., :3] * 255).astype(np.uint8)
    assert sheet.shape[1] > SEGMENTS * 240
    # A row of three is colours.
    assert red_share(sheet) > 0.2
    with av.open(str(video)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    size = left[0].shape[1::-1]
    nearest = min(np.abs(cv2.resize(frame, size).astype(int) - left[0]).mean() for frame in frames)
    other = np.abs(cv2.resize(frames[-1], size).astype(int) - left[0]).mean()
    assert nearest < 8 < other


def test_equal_videos_give_equal_files(varml: Varml, video: Path) -> None:
    for folder in ("a", "b/deeper"):
        assert varml("inspect", str(video), "--out", folder)[0] == 0
    for name in ("my video.png", "my video.mp4"):
        assert Path("a", name).read_bytes() == Path("b/deeper", name).read_bytes()
    assert len(list(Path("a").iterdir())) == 2


def test_a_camera_that_is_stabilised_stands_still(varml: Varml, video: Path, project: Path) -> None:
    Project(project).set(flow={"stabilize": "affine"})
    assert varml("inspect", str(video))[0] == 0
    _, right = film_of(Path("inspected/my video.mp4"))
    assert np.mean([red_share(image[40:-40, 80:-80]) for image in right]) < 0.05
    assert np.mean([white_share(image[40:-40, 80:-80]) for image in right]) > 0.8


def test_light_is_evened_out_as_it_is_for_the_model(varml: Varml, project: Path) -> None:
    red = (texture() * np.array([1.0, 0.4, 0.4])).astype(np.uint8)
    write_moving(Path("red.mp4"), image=red)
    Project(project).set(frames={"illumination": "gray_world"})
    assert varml("inspect", "red.mp4")[0] == 0
    left, _ = film_of(Path("inspected/red.mp4"))
    means = left[0].mean(axis=(0, 1))
    assert np.ptp(means) < 5


def test_the_flow_is_that_of_a_plugin(varml: Varml, video: Path, project: Path) -> None:
    Path("down.py").write_text(
        "import numpy as np\n"
        "from varml.flow.estimator import estimators\n"
        "@estimators.register('all_down')\n"
        "class AllDown:\n"
        "    error_px = 100.0\n"
        "    def estimate(self, previous, following):\n"
        "        return np.full((*previous.shape, 2), (0, 5), np.float32)\n"
    )
    yaml = project / "params.yaml"
    yaml.write_text(yaml.read_text().replace("plugins: []", "plugins: [down.py]"))
    Project(project).set(flow={"estimator": "all_down"})
    # In a process of its own: what a plugin registers stays.
    status, output = Project(project).run("varml", "inspect", str(video))
    assert status == 0, output
    _, right = film_of(Path("inspected/my video.mp4"))
    assert np.abs(right[0][20:-20, 20:-20].astype(int) - (255, 229, 0)).mean() < 10


@pytest.mark.parametrize("size", [(33, 47), (120, 17)])
def test_a_video_of_one_frame_and_of_odd_sides(varml: Varml, project: Path, size: tuple[int, int]) -> None:
    even = write_video(Path("one.mkv"), [texture(*size)], codec="ffv1", options={})
    assert varml("inspect", str(even))[0] == 0
    left, right = film_of(Path("inspected/one.mp4"))
    assert len(left) == SEGMENTS * FRAMES
    assert all(white_share(image) > 0.99 for image in right)


def test_a_folder_of_numbered_images_is_shown_at_the_rate_of_params(varml: Varml, project: Path) -> None:
    Path("images").mkdir()
    for number in range(20):
        cv2.imwrite(f"images/{number:03}.png", np.roll(texture(), STEP_PX * number, axis=1))
    Project(project).set(ingest={"frame_rate": 10})
    assert varml("inspect", "images/")[0] == 0
    assert all(red_share(image[20:-20, 40:-40]) > 0.9 for image in film_of(Path("inspected/images.mp4"))[1])


@pytest.mark.parametrize("name", [b"two  words\xff\xfe.mp4", b"$x^{$:%d.mp4", b"-.mp4", b"no_suffix"])
def test_a_video_of_any_name(varml: Varml, project: Path, name: bytes) -> None:
    path = Path(os.fsdecode(name))
    write_moving(Path("plain.mp4"), 4).rename(path)
    stem = to_text(path.stem)
    assert varml("inspect", "--", str(path)) == (0, f"inspected/{stem}.png\ninspected/{stem}.mp4\n")
    assert {file.name for file in Path("inspected").iterdir()} == {f"{path.stem}.png", f"{path.stem}.mp4"}


# What goes wrong.


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone.mp4", "gone.mp4 does not exist or is no regular file; name a video file"),
        ("notes.mp4", "notes.mp4 cannot be used: is in no known container by its first bytes; encode it again as mp4"),
        ("empty.mp4", "empty.mp4 cannot be used: is empty (0 bytes)"),
        ("pipe.mp4", "pipe.mp4 does not exist or is no regular file; name a video file"),
        (".", ". cannot be used: is a folder that holds no numbered images of one prefix, or holds something else too"),
        ("x" * 300, f"{'x' * 300} does not exist or is no regular file; name a video file"),
    ],
)
def test_what_is_no_video_is_named_and_nothing_is_written(varml: Varml, project: Path, path: str, message: str) -> None:
    Path("notes.mp4").write_text("this is no video")
    Path("empty.mp4").touch()
    os.mkfifo("pipe.mp4")
    assert varml("inspect", path) == (1, f"varml: {message}\n")
    assert not Path("inspected").exists()


def test_without_params_the_remedy_is_named(varml: Varml, video: Path, project: Path) -> None:
    (project / "params.yaml").unlink()
    status, output = varml("inspect", str(video))
    assert status == 1
    assert "params.yaml" in output
    assert "run `varml inspect` in a project's folder" in output


def test_an_estimator_that_nobody_registered_is_a_fault(varml: Varml, video: Path, project: Path) -> None:
    Project(project).set(flow={"estimator": "dist"})
    status, output = varml("inspect", str(video))
    assert status == 1
    assert "flow.estimator = 'dist': must be one of dis, " in output
    assert "did you mean 'dis'?" in output


def test_a_folder_that_cannot_be_written_is_named(varml: Varml, video: Path, project: Path) -> None:
    Path("file").touch()
    for out in ("file", "file/below"):
        status, output = varml("inspect", str(video), "--out", out)
        assert status == 1
        assert output.startswith(f"varml: {out} must be a folder that can be written (")
        assert output.endswith("); name another with --out\n")


def test_neither_the_video_nor_the_data_is_written_over(varml: Varml, video: Path, project: Path) -> None:
    before = video.read_bytes()
    assert varml("inspect", str(video), "--out", ".") == (
        1, "varml: my video.mp4 is the video itself and must not be replaced; name another folder with --out\n",
    )  # fmt: skip
    Path("sample/wave").mkdir(parents=True)
    status, output = varml("inspect", str(video), "--out", "sample/wave")
    assert status == 1
    assert output.startswith("varml: sample/wave lies in data.source, ")
    assert video.read_bytes() == before
    assert not any(Path("sample/wave").iterdir())


def test_the_command_is_light_until_it_works() -> None:
    code = "import sys, varml.cli; sys.exit(bool({'torch', 'matplotlib', 'cv2', 'av'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
