"""The ways to label, through the stages: lists of splits, and clips of files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from project import ACTIONS, Project, make_project

from varml.data.manifest import read_manifest

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, videos: Path) -> Project:
    project = make_project(tmp_path_factory.mktemp("ways") / "project", "videos")
    shutil.copytree(videos, project.root / "videos", copy_function=os.link)
    return project


def ingested(project: Project) -> pd.DataFrame:
    """Return the manifest after scan and ingest."""
    for stage in ("scan", "ingest"):
        status, output = project.run("python", "-m", f"pipelines.{stage}")
        assert status == 0, output
    return read_manifest(project.root / "data/manifest.csv")


def test_lists_of_splits(project: Project) -> None:
    persons = {"train": ["01", "02"], "val": ["03"], "test": ["04"]}
    for split, some in persons.items():
        lines = [f"{action}/person{person}_1.mp4 {k}" for k, action in enumerate(ACTIONS, 1) for person in some]
        (project.root / "videos" / f"{split}list01.txt").write_text("\n".join(lines) + "\n")
    lists = {split: [f"{split}list01.txt"] for split in persons}
    project.set(data={"split_lists": lists, "annotations": None, "min_videos_per_class": 4})
    manifest = ingested(project)
    assert len(manifest) == 4 * len(ACTIONS)
    assert set(manifest["label"]) == set(ACTIONS)
    found = {split: sorted(set(rows["group"])) for split, rows in manifest.groupby("split")}
    assert found == {split: [f"person{person}" for person in some] for split, some in persons.items()}


def test_clips_of_files(project: Project) -> None:
    lines = ["path,label,start_sec,end_sec"]
    for file in sorted((project.root / "videos").rglob("*.mp4")):
        path = file.relative_to(project.root / "videos")
        lines += [f"{path},{file.parent.name},0,0.50", f"{path},{file.parent.name},0.25,0.8"]
    (project.root / "videos" / "clips.csv").write_text("\n".join(lines) + "\n")
    project.set(data={"split_lists": {"train": [], "val": [], "test": []}, "annotations": "clips.csv"})
    manifest = ingested(project)
    assert len(manifest) == len(lines) - 1
    assert manifest["video_id"].is_unique
    assert set(zip(manifest["start_sec"], manifest["end_sec"], strict=True)) == {("0.0", "0.5"), ("0.25", "0.8")}
    assert manifest.groupby("path")["split"].nunique().max() == 1
