"""Bad input ends before long work, with one message that names the thing, the rule and the remedy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from project import Project, make_project

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("bad"), "videos")


@pytest.fixture
def project(fresh: Project, videos: Path) -> Project:
    """A project with links to the videos, and params as they were."""
    shutil.rmtree(fresh.root / "videos", ignore_errors=True)
    shutil.copytree(videos, fresh.root / "videos", copy_function=os.link)
    fresh.git("checkout", "--quiet", "params.yaml")
    return fresh


def refused(project: Project, stage: str, *words: str) -> str:
    """Run a stage, and check that it is refused in plain words and leaves nothing."""
    status, output = project.run("python", "-m", f"pipelines.{stage}")
    assert status == 1, output
    assert "Traceback" not in output
    for word in words:
        assert word in output, output
    assert not [f for f in (project.root / "data").rglob("*") if f.is_file()]
    return output


def test_all_faults_of_params_come_together_through_dvc(project: Project) -> None:
    project.set(
        model={"fusion": "concatt"},
        data={"source": None},
        train={"lrr": 1},
        search={"space": {"model": {"backbone": {"choices": ["tf_efficientnet_lite9"]}}}},
    )
    status, output = project.run("dvc", "repro")
    assert status != 0
    for words in (
        "model.fusion = 'concatt'", "did you mean 'concat'", "data.source = None", "train.lrr = 1", "did you mean 'lr'",
        "search.space.model.backbone = 'tf_efficientnet_lite9'", "did you mean 'tf_efficientnet_lite",
    ):  # fmt: skip
        assert words in output, output
    assert "Traceback" not in output
    assert not list((project.root / "data").glob("*.csv"))


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"data": {"source": "nowhere"}}, ["data.source = 'nowhere'", "must be a folder that exists"]),
        ({"data": {"source": "params.yaml"}}, ["this is a file"]),
        ({"data": {"source": "data"}}, ["must not hold the project or lie inside a folder that stages write"]),
        ({"data": {"annotations": "label.csv"}}, ["data.annotations = 'label.csv'", "must be a CSV in"]),
        (
            {"search": {"space": {"train": {"lr": {"type": "float", "low": 0.1, "high": 0.01}}}}},
            ["search.space.train.lr", "low must be under high"],
        ),
    ],
)
def test_params_are_checked_before_anything_is_read(
    project: Project, sections: dict[str, Any], words: list[str]
) -> None:
    project.set(**sections)
    refused(project, "scan", *words)


def _empty_class(folder: Path) -> None:
    (folder / "jump").mkdir()


def _one_class(folder: Path) -> None:
    for name in ("walk_right", "wave"):
        shutil.rmtree(folder / name)


def _fifo(folder: Path) -> None:
    os.mkfifo(folder / "wave" / "pipe.mp4")


def _dangling(folder: Path) -> None:
    (folder / "wave" / "gone.mp4").symlink_to("nowhere.mp4")


def _too_few(folder: Path) -> None:
    for file in sorted((folder / "wave").iterdir())[1:]:
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_empty_class, ["class 'jump' has no file", "add videos or remove the folder"]),
        (_one_class, ["at least 2 classes", "only 'walk_left'"]),
        (_fifo, ["'wave/pipe.mp4' is a FIFO", "remove them"]),
        (_dangling, ["'wave/gone.mp4' is a link that leads nowhere"]),
        (_too_few, ["'wave' has 1", "data.min_videos_per_class"]),
    ],
)
def test_a_bad_source_is_refused_by_scan(project: Project, spoil: Callable[[Path], None], words: list[str]) -> None:
    spoil(project.root / "videos")
    refused(project, "scan", *words)


def test_a_csv_without_a_needed_column_is_refused(project: Project) -> None:
    (project.root / "videos" / "labels.csv").write_text("path,class\nwave/person01_1.mp4,wave\n")
    project.set(data={"annotations": "labels.csv"})
    refused(project, "scan", "labels.csv needs a header", "label is missing", "path, class")


def test_splits_that_are_impossible_are_refused_before_a_video_is_decoded(project: Project) -> None:
    project.set(ingest={"group_from": "parent_folder"})
    refused(project, "scan", "(8 videos in 1 group) is left for training", "add groups that hold this class")


def test_a_mirror_pair_of_no_class_is_refused(project: Project) -> None:
    project.set(data={"mirror_pairs": [["walk_left", "walk_rihgt"]]})
    refused(project, "scan", "data.mirror_pairs names 'walk_rihgt'", "did you mean 'walk_right'?")


def test_a_line_of_a_split_list_that_names_nothing_is_refused(project: Project) -> None:
    (project.root / "videos" / "train.txt").write_text("wave/person01_1.mp4 1\nwave/person99_1.mp4 1\n")
    project.set(data={"split_lists": {"train": ["train.txt"], "val": [], "test": ["test.txt"]}})
    refused(project, "scan", "data.split_lists.test = 'test.txt'", "must be a file below videos")
    (project.root / "videos" / "test.txt").write_text("wave/person02_1.mp4 1\n")
    refused(project, "scan", "train.txt, line 2: 'wave/person99_1.mp4' does not exist")


def test_files_that_are_no_video_are_quarantined_and_too_many_of_them_end_the_run(project: Project) -> None:
    (project.root / "videos" / "wave" / "notes.mp4").write_text("this is no video")
    assert project.run("python", "-m", "pipelines.scan")[0] == 0
    status, output = project.run("python", "-m", "pipelines.ingest")
    assert status == 0, output
    assert "quarantined 'wave/notes.mp4': is in no known container" in output
    assert (
        (project.root / "data/quarantine.csv")
        .read_text()
        .splitlines()[1]
        .startswith("wave/notes.mp4,is in no known container")
    )
    shutil.rmtree(project.root / "data")
    for number in range(9):
        (project.root / "videos" / "wave" / f"notes{number}.mp4").write_text("neither is this")
    assert project.run("python", "-m", "pipelines.scan")[0] == 0
    status, output = project.run("python", "-m", "pipelines.ingest")
    assert status == 1
    assert "10 of 34 files cannot be read" in output
    assert "raise the limit" in output
    assert not (project.root / "data/manifest.csv").exists()
    shutil.rmtree(project.root / "data")


def test_a_stage_runs_once_at_a_time(project: Project) -> None:
    from filelock import FileLock

    locks = project.root / ".varml" / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / "scan.lock"):
        refused(project, "scan", "at work already", "wait for it or end it")
