"""Videos with names of every kind go the whole way from the folder to stored frames."""

from __future__ import annotations

import os

import pandas as pd
import pytest
from project import Project, make_project
from videos import write_barcodes

import varml
from varml.data.manifest import read_manifest, video_id_of, video_path
from varml.data.names import to_text

pytestmark = pytest.mark.pipeline

NAMES = [
    b"new\nline.mp4", b"cr\r.mp4", b"-rf.mp4", b"' \".mp4", "é 日本\u2028.mp4".encode(), b"caf\xe9\xff.mp4",
    b"back\\n.mp4", b"tab\t, %s.mp4", b"plain.mp4", b" .mp4 ",
]  # fmt: skip
COPY = b"copy\xfe.mp4"
EMPTY_BOX = b"\0\0\0\x08free"  # another file, the same frames


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after frames are stored, of two classes with a video of each name and a copy of the first."""
    folder = tmp_path_factory.mktemp("odd") / "project"
    project = make_project(folder, "videos")
    video = write_barcodes(folder / "video.mp4", 6, 10).read_bytes()
    for label in ("run", "wave"):
        (folder / "videos" / label).mkdir(parents=True)
        for number, name in enumerate(NAMES):
            boxes = 1 + 2 * number + (label == "wave")
            (folder / "videos" / label / os.fsdecode(name)).write_bytes(video + boxes * EMPTY_BOX)
    (folder / "videos" / "run" / os.fsdecode(COPY)).write_bytes(video + EMPTY_BOX)
    project.set(data={"max_bad_fraction": 0}, ingest={"duplicates": "ignore"})  # all show the same
    # The second ingest takes what the first remembers: of a copy it must not be what holds for another name.
    for stage in ("scan", "ingest", "ingest", "extract_frames"):
        status, output = project.run("python", "-m", f"pipelines.{stage}")
        assert status == 0, output
    return project


@pytest.fixture(scope="module")
def manifest(project: Project) -> pd.DataFrame:
    return read_manifest(project.root / "data/manifest.csv")


def test_every_name_leads_back_to_its_file(manifest: pd.DataFrame, project: Project) -> None:
    source = project.root / "videos"
    found = {os.fsencode(video_path(source, text)) for text in manifest["path"]}
    assert found == {os.fsencode(file) for folder in ("run", "wave") for file in (source / folder).iterdir()}
    assert len(found) == len(manifest) == 2 * len(NAMES) + 1


def test_ids_and_groups_are_those_of_the_names(manifest: pd.DataFrame) -> None:
    paths = [os.fsdecode(b"wave/" + name) for name in NAMES]
    rows = manifest[manifest["label"] == "wave"].set_index("path").loc[map(to_text, paths)]
    assert rows["video_id"].tolist() == [video_id_of(path) for path in paths]
    assert rows["group"].tolist() == rows.index.tolist()


def test_a_copy_is_found_whatever_its_name(manifest: pd.DataFrame) -> None:
    copies = manifest[manifest["digest"].duplicated(keep=False)].set_index("path")["reader"]
    assert copies.to_dict() == {r"run/new\nline.mp4": "pyav", r"run/copy\xfe.mp4": "pyav"}


def test_the_frames_of_every_video_are_stored(manifest: pd.DataFrame, project: Project) -> None:
    for video_id in manifest["video_id"]:
        assert varml.Project(project.root).frames(video_id).shape == (3, 2, 48, 60, 3)
