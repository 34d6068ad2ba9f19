"""Which folders are videos of numbered images, and the order of their images."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varml.errors import VideoError
from varml.video.frame_folder import numbered_images


def names(folder: Path) -> list[str]:
    return [path.name for path in numbered_images(folder)]


@pytest.fixture
def fill(tmp_path: Path):
    def make(*file_names: str) -> Path:
        for name in file_names:
            (tmp_path / name).touch()
        return tmp_path

    return make


def test_the_number_orders_and_not_the_text(fill):
    assert names(fill("img_10.jpg", "img_9.jpg", "img_0100.jpg", "img_00001.jpg")) == [
        "img_00001.jpg", "img_9.jpg", "img_10.jpg", "img_0100.jpg",
    ]  # fmt: skip


def test_paths_lie_in_the_folder(fill):
    folder = fill("1.png")
    assert numbered_images(folder) == [folder / "1.png"]


@given(numbers=st.lists(st.integers(0, 10**9), min_size=1, max_size=20, unique=True), width=st.integers(1, 10))
def test_any_numbers_come_in_order(tmp_path_factory: pytest.TempPathFactory, numbers: list[int], width: int):
    folder = tmp_path_factory.mktemp("images")
    for number in numbers:
        (folder / f"v1_{number:0{width}d}.jpg").touch()
    assert names(folder) == [f"v1_{number:0{width}d}.jpg" for number in sorted(numbers)]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".JPG"])
def test_every_kind_of_image(fill, suffix: str):
    assert names(fill(f"a1{suffix}")) == [f"a1{suffix}"]


@pytest.mark.parametrize(
    "name", ["frame-7.jpg", "7.jpg", "a 2024-01-02_7.jpg", "new\nline7.jpg", os.fsdecode(b"\xff7.jpg")]
)
def test_any_prefix(fill, name: str):
    assert names(fill(name)) == [name]


def test_hidden_files_are_nothing(fill):
    folder = fill("1.jpg", ".DS_Store")
    (folder / ".thumbnails").mkdir()
    assert names(folder) == ["1.jpg"]


@pytest.mark.parametrize(
    "others", [["b2.jpg"], ["a2.txt"], ["Thumbs.db"], ["a.jpg"], ["a2_small.jpg"], ["a2.mp4"], ["a2.gif"], ["a٣.jpg"]]
)
def test_a_folder_of_other_things_is_none(fill, others: list[str]):
    assert names(fill("a1.jpg", *others)) == []


def test_a_folder_with_a_folder_is_none(fill):
    folder = fill("1.jpg")
    (folder / "2.jpg").mkdir()
    assert names(folder) == []


def test_what_is_empty_or_no_folder_is_none(fill):
    folder = fill()
    assert names(folder) == []
    (folder / "file").touch()
    assert names(folder / "file") == names(folder / "nowhere") == []


@pytest.mark.parametrize("other", ["a01.jpg", "a1.png", "a1.JPG"])
def test_two_images_of_one_number_are_refused(fill, other: str):
    with pytest.raises(VideoError, match=r"has two images of the number 1: 'a.*' and 'a.*'; remove one") as caught:
        numbered_images(fill("a1.jpg", "a2.jpg", other))
    assert repr(other) in str(caught.value)
    assert "'a1.jpg'" in str(caught.value)
