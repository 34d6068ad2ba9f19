"""`varml clean` removes what nothing needs, and nothing while a stage is at work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from holder import stage_at_work

from varml.config import load_params
from varml.config.space import backbones_of
from varml.data.manifest import COLUMNS, write_table
from varml.flow.store import flow_files
from varml.models.feature_files import feature_files
from varml.video.frames import frames_files

Varml = Callable[..., tuple[int, str]]
MB = 1_000_000


def write(file: Path, size: int = 1) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    return file


@pytest.fixture
def needed(project: Path) -> set[Path]:
    """What the stages would have made of the two videos of a manifest."""
    rows = [{**dict.fromkeys(COLUMNS, ""), "digest": digest, "reader": "pyav"} for digest in ("ab", "cd")]
    manifest, params = pd.DataFrame(rows), load_params()
    write_table(project / "data" / "manifest.csv", manifest)
    files = [*frames_files(manifest, params.frames), *flow_files(manifest, params.frames, params.flow)]
    for backbone in backbones_of(params):
        files += feature_files(manifest, params, backbone)
    return {write(file) for file in files}


@pytest.fixture
def unneeded(needed: set[Path]) -> set[Path]:
    """What other videos, other params and a kill left behind."""
    stored = {file.with_stem("0" * 32) for file in needed}
    partial = {Path("data/frames/.x.pack.0.partial"), Path("model/.model.json.1.partial")}
    return {write(file, MB) for file in stored | partial}


def all_files() -> set[Path]:
    return {file for folder in ("data", "model") for file in Path(folder).rglob("*") if file.is_file()}


def test_what_nothing_needs_is_counted_and_then_removed(varml: Varml, needed: set[Path], unneeded: set[Path]) -> None:
    before = all_files()
    assert len(needed) == 8
    assert len(unneeded) == 6
    assert varml("clean", "--dry-run") == (0, "would remove 6 files, 6.0 MB\n")
    assert all_files() == before
    assert varml("clean") == (0, "removed 6 files, 6.0 MB\n")
    assert all_files() == before - unneeded
    assert varml("clean") == (0, "removed 0 files, 0.0 MB\n")


@pytest.mark.usefixtures("needed")
def test_a_folder_that_a_kill_left_half_written_goes_whole(varml: Varml) -> None:
    before = all_files()
    write(Path("search/.oof.2.partial/deep/file"))
    assert varml("clean") == (0, "removed 1 files, 0.0 MB\n")
    assert not Path("search/.oof.2.partial").exists()
    assert all_files() == before


@pytest.mark.parametrize("stage", ["ingest", "extract_frames", "extract_flow", "extract_features"])
@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_nothing_is_removed_while_a_stage_writes(
    varml: Varml, project: Path, unneeded: set[Path], stage: str, options: tuple[str, ...]
) -> None:
    before = all_files()
    with stage_at_work(project, stage) as writer:
        status, output = varml("clean", *options)
    assert status == 1
    assert output.startswith(f"varml: {stage} is at work already in this project (process {writer.pid})")
    assert all_files() == before
    # What was locked before the refusal is free again, and so is the stage that was ended.
    assert varml("clean", *options)[0] == 0


def test_a_stage_that_writes_no_extracted_file_may_be_at_work(varml: Varml, project: Path, unneeded: set[Path]) -> None:
    with stage_at_work(project, "search"):
        assert varml("clean") == (0, "removed 6 files, 6.0 MB\n")


def test_without_a_manifest_nothing_is_removed(varml: Varml, project: Path) -> None:
    write(Path("data/frames/x.pack"))
    for _ in range(2):
        assert varml("clean") == (1, "varml: data/manifest.csv does not exist; run `dvc repro` first\n")
    assert all_files() == {Path("data/frames/x.pack")}
