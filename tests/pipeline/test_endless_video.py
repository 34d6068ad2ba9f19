"""A video that does not end within its time limit is left out, and changes nothing for the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
import pytest
from corpus.hostile import HOSTILE
from corpus.kit import Kit
from project import Project, make_project

from varml.config import load_params
from varml.ground.content_key import file_digest

pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the endless video is made by the program ffmpeg"),
]

NAME = "full HD bomb.mp4"  # a minute's work and more
LIMITS = {"timeout_sec": 2, "timeout_sec_per_mb": 0.1}


def stored(project: Project) -> dict[str, str]:
    return {file.name: file_digest(file) for file in (project.root / "data/frames").iterdir()}


def test_an_endless_video_is_left_out_and_changes_nothing_for_the_others(
    finished: Project, videos: Path, tmp_path: Path
) -> None:
    shutil.copytree(videos, tmp_path / "videos")
    (entry,) = [entry for entry in HOSTILE if entry.record.name == NAME]
    entry.make(tmp_path / "videos" / "wave" / NAME, Kit(tmp_path / "work"))
    project = make_project(tmp_path / "project", str(tmp_path / "videos"))
    project.set(ingest={"probe": {**load_params(project.root / "params.yaml").ingest.probe.model_dump(), **LIMITS}})
    for stage in ("scan", "ingest", "extract_frames"):
        status, output = project.run("python", "-m", f"pipelines.{stage}")
        assert status == 0, output
    rows = (project.root / "data/quarantine.csv").read_text().splitlines()
    assert len(rows) == 2
    assert rows[1].startswith(f"wave/{NAME},took longer than its limit of ")
    assert stored(project) == stored(finished)
    assert (project.root / "data/manifest.csv").read_bytes() == (finished.root / "data/manifest.csv").read_bytes()
    left = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(project.root)]
    assert left == []
