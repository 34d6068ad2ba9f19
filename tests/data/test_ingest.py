"""From a folder of real, small videos, one of them broken, to the manifest."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from videos import write_barcodes

from varml.config import Params, load_params
from varml.data.duplicates import NOT_LOOKED_FOR
from varml.data.ingest import Ingested, group_of, ingest
from varml.data.manifest import COLUMNS, video_id_of
from varml.data.scan import ScannedFile, scan
from varml.errors import DataError
from varml.ground.memory import Memory

SHIPPED = Path(__file__).resolve().parents[2] / "params.yaml"
GROUP = r"person\d+"
CLASSES = ("run", "wave")
NUM_PERSONS = 4
BROKEN = "run/person3_1.mp4"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of four persons, one clip each, and one text that is named like a video."""
    folder = tmp_path_factory.mktemp("tree")
    for label in CLASSES:
        (folder / label).mkdir()
        for person in range(NUM_PERSONS):
            frames = 6 + person + (4 if label == "wave" else 0)
            write_barcodes(folder / label / f"person{person}_0.mp4", frames, 10)
    (folder / BROKEN).write_text("no video at all")
    return folder


@pytest.fixture(scope="module")
def make_params() -> Callable[..., Params]:
    """A function from values of sections to params."""

    def make(data: dict[str, Any] | None = None, ingest: dict[str, Any] | None = None) -> Params:
        tree = load_params(SHIPPED).model_dump(by_alias=True)
        tree["seed"] = 0
        tree["engine"]["num_workers"] = 1
        tree["data"].update({"max_bad_fraction": 0.2, "min_videos_per_class": 4, **(data or {})})
        # A shorter video of bar codes is a part of a longer one.
        chosen = {"group_from": GROUP, "test_fraction": 0.25, "val_fraction": 0.25, "duplicates": "ignore"}
        tree["ingest"].update({**chosen, **(ingest or {})})
        return Params.model_validate(tree)

    return make


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Memory:
    return Memory(tmp_path_factory.mktemp("state") / "probes.sqlite")


@pytest.fixture(scope="module")
def files(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> list[ScannedFile]:
    return scan(tree, None, 4, Memory(tmp_path_factory.mktemp("state") / "digests.sqlite"))


@pytest.fixture(scope="module")
def done(tree: Path, files: list[ScannedFile], make_params: Callable[..., Params], memory: Memory) -> Ingested:
    return ingest(files, tree, make_params(), memory)


def test_the_manifest_describes_each_readable_video(done: Ingested, files: list[ScannedFile]):
    assert done.manifest.columns.tolist() == COLUMNS
    expected = [f"{label}/person{person}_0.mp4" for label in CLASSES for person in range(NUM_PERSONS)]
    assert done.manifest["path"].tolist() == expected
    assert done.manifest["video_id"].tolist() == [video_id_of(path) for path in expected]
    assert done.manifest["num_frames"].tolist() == [6, 7, 8, 9, 10, 11, 12, 13]
    assert set(done.manifest["fps"]) == {10.0}
    assert set(done.manifest["reader"]) == {"decord"}
    assert done.manifest["label"].tolist() == ["run"] * 4 + ["wave"] * 4
    assert done.manifest["group"].tolist() == ["person0", "person1", "person2", "person3"] * 2
    digests = {file.path: file.digest for file in files}
    assert done.manifest["digest"].tolist() == [digests[path] for path in expected]


def test_the_broken_file_is_quarantined_with_its_reason(done: Ingested):
    assert done.quarantine.to_dict("records") == [
        {"path": BROKEN, "reason": "is no video: its first bytes are those of no known container"}
    ]


def test_one_person_is_test_and_one_is_val(done: Ingested):
    persons = done.manifest.groupby("split")["group"].unique()
    assert {split: len(names) for split, names in persons.items()} == {"train": 2, "val": 1, "test": 1}
    assert done.manifest.groupby("group")["split"].nunique().max() == 1


def test_the_card_counts_what_was_found(done: Ingested):
    assert done.card["num_videos"] == 8
    assert done.card["num_groups"] == 4
    assert done.card["num_quarantined"] == 1
    assert list(done.card["quarantined_by_reason"].values()) == [1]
    assert done.card["videos_by_reader"] == {"decord": 8}
    assert done.card["videos_by_class_and_split"] == {
        label: {"test": 1, "train": 2, "val": 1} for label in CLASSES
    }  # fmt: skip
    assert done.card["duration_sec"] == {"min": 0.6, "median": 0.95, "max": 1.3}
    assert done.card["warnings"] == [NOT_LOOKED_FOR]


def test_what_was_probed_is_not_probed_again(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory,
    tmp_path: Path,
):  # fmt: skip
    # Only the broken file is there to be read again: no failure is remembered.
    (tmp_path / "run").mkdir()
    shutil.copy2(tree / BROKEN, tmp_path / BROKEN)
    again = ingest(files, tmp_path, make_params(), memory)
    assert again.manifest.equals(done.manifest)
    assert again.quarantine.equals(done.quarantine)
    assert again.card == done.card


def known(files: list[ScannedFile], *without: str) -> list[ScannedFile]:
    """Return the files that the memory knows, less some: ingesting them starts no process."""
    return [file for file in files if file.path != BROKEN and file.path not in without]


def test_a_row_without_a_file_is_quarantined(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory
):
    result = ingest([*known(files), ScannedFile("gone.mp4", "run", "person9")], tree, make_params(), memory)
    assert result.quarantine.to_dict("records") == [{"path": "gone.mp4", "reason": "does not exist"}]
    assert len(result.manifest) == 8


def test_more_bad_files_than_allowed_end_the_run(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory
):
    rows = [*known(files), ScannedFile("gone.mp4", "run"), ScannedFile("lost.mp4", "run")]
    at_the_limit = make_params({"max_bad_fraction": 0.2})
    assert len(ingest(rows, tree, at_the_limit, memory).quarantine) == 2
    with pytest.raises(DataError) as caught:
        ingest(rows, tree, make_params({"max_bad_fraction": 0.19}), memory)
    assert str(caught.value).splitlines() == [
        "2 of 10 files cannot be read, more than data.max_bad_fraction = 0.19 allows; mend or remove them, or raise "
        "the limit:",
        "  'gone.mp4' does not exist",
        "  'lost.mp4' does not exist",
    ]


def test_no_bad_file_at_all_is_allowed_by_zero(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory
):
    result = ingest(known(files), tree, make_params({"max_bad_fraction": 0}), memory)
    assert result.quarantine.columns.tolist() == ["path", "reason"]
    assert len(result.quarantine) == 0
    assert result.card["quarantined_by_reason"] == {}


def test_a_class_with_too_few_readable_videos_ends_the_run(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory
):
    rows = [*known(files, "run/person3_0.mp4"), ScannedFile("run/gone.mp4", "run")]
    with pytest.raises(DataError, match=r"at least 4 readable videos .*: 'run' has 3"):
        ingest(rows, tree, make_params(), memory)


def test_given_groups_and_splits_count_for_more_than_the_pattern(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory
):
    splits = ["train", "train", "val", "test"] * 2
    rows = [
        ScannedFile(file.path, file.label, f"g{split}", split, file.size, file.digest)
        for file, split in zip(known(files), splits, strict=True)
    ]
    manifest = ingest(rows, tree, make_params(), memory).manifest
    assert manifest["split"].tolist() == splits
    assert manifest["group"].tolist() == [f"g{split}" for split in splits]


@pytest.mark.parametrize(
    ("file", "pattern", "group"),
    [
        (ScannedFile("run/person12_0.mp4", "run"), GROUP, "person12"),
        (ScannedFile("person1/run/person2.mp4", "run"), GROUP, "person1"),
        (ScannedFile("run/person1.mp4", "run", "given"), GROUP, "given"),
        (ScannedFile("run/nobody.mp4", "run"), GROUP, "run/nobody.mp4"),
        (ScannedFile("run/person1.mp4", "run"), None, "run/person1.mp4"),
    ],
)
def test_the_group_of_a_file(file: ScannedFile, pattern: str | None, group: str):
    assert group_of(file, pattern) == group
