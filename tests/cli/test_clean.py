"""`varml clean` removes what nothing needs, and nothing while a stage is at work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from holder import stage_at_work
from ruamel.yaml import YAML

from varml.config import load_params
from varml.config.space import backbones_of, searched_views
from varml.data.manifest import COLUMNS, write_table
from varml.flow.store import flow_files
from varml.ground.atomic import write_json
from varml.models.feature_files import feature_files
from varml.search.results import read_best, winner_params
from varml.training.adaptations import list_adaptations
from varml.training.checkpoint import Checkpoint
from varml.training.checkpoint_files import checkpoint_folder, final_checkpoint
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
        views = searched_views(params)
        files += [file for view in views for file in feature_files(manifest, params, backbone, view=view)]
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
    assert len(needed) == 2 + 2 + 2 * 2 * 4  # frames, flow, and features by two backbones in four views
    assert len(unneeded) == 6
    assert varml("clean", "--dry-run") == (0, "would remove 6 files, 6.0 MB\n")
    assert all_files() == before
    assert varml("clean") == (0, "removed 6 files, 6.0 MB\n")
    assert all_files() == before - unneeded
    assert varml("clean") == (0, "removed 0 files, 0.0 MB\n")


def write_winner(augment: float, width: int) -> Checkpoint | None:
    """Make the project one whose best trial has ``width``, and return the checkpoint of its final training.

    The next best has three times the width.
    """
    choose("train", augment=augment)
    for name in ("data/plugins.json", "data/weights.json"):
        write_json(Path(name), {})
    write_json(Path("search/best.yaml"), {"ranked": [{"params": {"model.width": w}} for w in (width, 3 * width)]})
    return final_checkpoint(winner_params(load_params(), read_best(Path("search/best.yaml"))))


@pytest.mark.usefixtures("needed")
def test_checkpoints_of_other_trainings_are_removed_and_that_of_the_present_one_is_kept(varml: Varml) -> None:
    other, present = write_winner(0.5, width=64), write_winner(0.5, width=32)
    assert other is not None
    assert present is not None
    for checkpoint in (other, present):
        checkpoint.save({"weights": [0] * 100})
    assert varml("clean") == (0, "removed 1 files, 0.0 MB\n")
    assert (other.file.exists(), present.file.exists()) == (False, True)
    assert varml("clean") == (0, "removed 0 files, 0.0 MB\n")
    assert write_winner(0, width=32) is None, "a training on cached features keeps none"
    assert varml("clean") == (0, "removed 1 files, 0.0 MB\n")
    assert not present.file.exists()


@pytest.mark.usefixtures("needed")
def test_those_of_every_trial_that_may_be_a_member_are_kept(varml: Varml) -> None:
    member, _ = write_winner(0.5, width=96), write_winner(0.5, width=32)
    assert member is not None
    member.save({"weights": [0] * 100})
    assert varml("clean") == (0, "removed 0 files, 0.0 MB\n")
    assert member.file.exists()


@pytest.mark.usefixtures("needed")
def test_features_of_other_adaptations_are_removed(varml: Varml, project: Path) -> None:
    fixed = {**dict.fromkeys(COLUMNS, ""), "reader": "pyav", "split": "train"}
    videos = [(label, str(group)) for group in range(4) for label in ("run", "wave")]
    manifest = pd.DataFrame(
        [{**fixed, "digest": label + group, "label": label, "group": group} for label, group in videos]
    )
    write_table(project / "data" / "manifest.csv", manifest)
    assert varml("clean")[0] == 0  # what is stored of other videos
    choose("features", adapt="flow")
    adaptations = list_adaptations(manifest, load_params())
    assert len(adaptations) == 2 * 5  # two backbones, four folds and the model that is served
    present = {write(file) for adaptation in adaptations for file in adaptation.files}
    other = write(adaptations[0].features.with_stem("0" * 32))
    assert varml("clean") == (0, "removed 1 files, 0.0 MB\n")
    assert (other.exists(), all_files() >= present) == (False, True)
    choose("features", adapt="none")
    assert varml("clean") == (0, "removed 12 files, 0.0 MB\n")


def choose(section: str, **values: object) -> None:
    """Change values in params.yaml."""
    yaml, file = YAML(), Path("params.yaml")
    tree = yaml.load(file)
    tree[section].update(values)
    yaml.dump(tree, file)


@pytest.mark.usefixtures("needed")
def test_without_a_winner_no_checkpoint_is_needed(varml: Varml) -> None:
    write(checkpoint_folder() / "one.checkpoint")
    assert varml("clean") == (0, "removed 1 files, 0.0 MB\n")


@pytest.mark.usefixtures("needed")
def test_a_folder_that_a_kill_left_half_written_goes_whole(varml: Varml) -> None:
    before = all_files()
    write(Path("search/.oof.2.partial/deep/file"))
    assert varml("clean") == (0, "removed 1 files, 0.0 MB\n")
    assert not Path("search/.oof.2.partial").exists()
    assert all_files() == before


@pytest.mark.parametrize(
    "stage", ["ingest", "extract_frames", "extract_flow", "extract_features", "adapt_features", "train"]
)
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
