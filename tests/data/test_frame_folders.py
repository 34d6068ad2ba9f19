"""A folder of numbered images as one video of the data source: its digest, and what it must not hold."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from varml.data.scan import ScannedFile, scan
from varml.errors import DataError
from varml.ground.memory import Memory

Annotate = Callable[[Iterable[str]], str]


@pytest.fixture
def clip(source: Path) -> Path:
    """A folder of three images under the class wave; the text of their names is not their order."""
    folder = source / "wave" / "clip"
    folder.mkdir()
    for number in (9, 10, 100):
        (folder / f"img_{number}.jpg").write_bytes(f"image {number}".encode())
    return folder


def scanned(source: Path, memory: Memory, annotations: str | None = None) -> ScannedFile:
    return next(file for file in scan(source, annotations, 1, memory) if file.path == "wave/clip")


def test_the_digest_is_that_of_the_ordered_names_and_digests(source: Path, memory: Memory, clip: Path):
    pairs = [(f"img_{number}.jpg", hashlib.sha256(f"image {number}".encode()).hexdigest()) for number in (9, 10, 100)]
    lines = "".join(f"{name}\0{digest}\n" for name, digest in pairs)
    expected = ScannedFile("wave/clip", "wave", size=24, digest=hashlib.sha256(lines.encode()).hexdigest())
    assert scanned(source, memory) == expected


def test_annotations_may_name_the_folder(source: Path, memory: Memory, clip: Path, annotate: Annotate):
    lines = ["path,label,start_sec,end_sec", "run/0.mp4,run,,", "wave/clip/,wave,0,1"]
    file = scanned(source, memory, annotate(lines))
    assert (file.start_sec, file.digest) == ("0.0", scanned(source, memory).digest)


def test_a_copy_elsewhere_has_the_same_digest(source: Path, memory: Memory, clip: Path):
    shutil.copytree(clip, source / "run" / "copy")
    files = {file.path: file for file in scan(source, None, 1, memory)}
    assert files["run/copy"].digest == files["wave/clip"].digest


def change_bytes(clip: Path) -> None:
    (clip / "img_10.jpg").write_bytes(b"IMAGE 10")


def rename(clip: Path) -> None:
    (clip / "img_10.jpg").rename(clip / "img_11.jpg")


def swap(clip: Path) -> None:
    (clip / "img_9.jpg").rename(clip / "img_101.jpg")


def add(clip: Path) -> None:
    (clip / "img_101.jpg").touch()


def remove(clip: Path) -> None:
    (clip / "img_9.jpg").unlink()


@pytest.mark.parametrize("change", [change_bytes, rename, swap, add, remove])
def test_another_content_has_another_digest(
    source: Path, memory: Memory, clip: Path, change: Callable[[Path], None], tmp_path: Path
):
    before = scanned(source, memory)
    assert scanned(source, memory) == before
    change(clip)
    after = scanned(source, memory)
    assert after.digest != before.digest
    assert after == scanned(source, Memory(tmp_path / "another"))


def test_every_image_is_a_regular_file_of_the_source(source: Path, memory: Memory, clip: Path, tmp_path: Path):
    (clip / "img_2.jpg").symlink_to("../0.mp4")
    inside = scanned(source, memory)
    assert inside.size == 24 + len(b"wave 0")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (clip / "img_3.jpg").symlink_to(tmp_path / "secret.jpg")
    for name in ("pipe", "nowhere"):
        (source / "run" / name).mkdir()
        (source / "run" / name / "1.jpg").touch()
    os.mkfifo(source / "run" / "pipe" / "4.jpg")
    (source / "run" / "nowhere" / "5.jpg").symlink_to("none.jpg")
    with pytest.raises(DataError) as caught:
        scan(source, None, 1, memory)
    out = "is a link, or lies behind one, that leads out of the data source"
    assert str(caught.value).splitlines()[1:] == [
        "  'run/nowhere' has the image '5.jpg', which is a link that leads nowhere",
        "  'run/pipe' has the image '4.jpg', which is a FIFO",
        f"  'wave/clip' has the image 'img_3.jpg', which {out}",
    ]


def test_two_images_of_one_number_are_refused_with_the_line(
    source: Path, memory: Memory, clip: Path, annotate: Annotate
):
    (clip / "img_09.jpg").touch()
    message = "has two images of the number 9: 'img_09.jpg' and 'img_9.jpg'; remove one"
    with pytest.raises(DataError, match=f"  'wave/clip' {message}"):
        scan(source, None, 1, memory)
    name = annotate(["path,label", "run/0.mp4,run", "wave/clip,wave"])
    with pytest.raises(DataError, match=rf"  'wave/clip' \(labels.csv, line 3\) {message}"):
        scan(source, name, 1, memory)


def test_a_folder_behind_a_link_out_of_the_source_is_refused(
    source: Path, memory: Memory, clip: Path, annotate: Annotate, tmp_path: Path
):
    shutil.move(clip, tmp_path / "clip")
    clip.symlink_to(tmp_path / "clip")
    with pytest.raises(
        DataError, match=r"'wave/clip' \(labels.csv, line 3\) is a link, or lies behind one, that leads"
    ):
        scan(source, annotate(["path,label", "run/0.mp4,run", "wave/clip,wave"]), 1, memory)
