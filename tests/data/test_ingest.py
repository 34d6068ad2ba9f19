"""From a folder of real, small videos, one of them broken, to the manifest."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from videos import write_barcodes

from varml.config import Params, load_params
from varml.data.copy_rules import NOT_LOOKED_FOR
from varml.data.ingest import Ingested, ingest
from varml.data.manifest import COLUMNS, video_id_of
from varml.data.scan import ScannedFile, scan
from varml.errors import DataError
from varml.ground.engine import map_isolated
from varml.ground.memory import Memory

SHIPPED = Path(__file__).resolve().parents[2] / "params.yaml"
GROUP = r"person\d+"
CLASSES = ("run", "wave")
NUM_PERSONS = 4
BROKEN = "run/person3_1.mp4"
WHOLE = {"start_sec": "", "end_sec": ""}


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
    assert set(done.manifest["reader"]) == {"pyav"}
    assert done.manifest["label"].tolist() == ["run"] * 4 + ["wave"] * 4
    assert done.manifest["group"].tolist() == ["person0", "person1", "person2", "person3"] * 2
    digests = {file.path: file.digest for file in files}
    assert done.manifest["digest"].tolist() == [digests[path] for path in expected]


def test_the_broken_file_is_quarantined_with_its_reason(done: Ingested):
    assert done.quarantine.to_dict("records") == [
        {
            **WHOLE,
            "path": BROKEN,
            "reason": "is in no known container by its first bytes; encode it again as mp4",
        }
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
    assert done.card["videos_by_reader"] == {"pyav": 8}
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


def test_of_copies_one_is_probed_for_all(
    files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    probed: list[Path] = []

    def spy(function: Any, items: Any, **how: Any) -> Any:
        probed.extend(items)
        return map_isolated(function, items, **how)

    monkeypatch.setattr("varml.data.ingest.map_isolated", spy)
    by_path = {file.path: file for file in files}
    good, bad = by_path["run/person0_0.mp4"], by_path[BROKEN]
    for number in range(3):
        for file in (good, bad):
            (tmp_path / f"{number}" / file.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / file.path, tmp_path / f"{number}" / file.path)
    rows = [
        replace(file, path=f"{number}/{file.path}", label=label, group=f"{number}", split=split)
        for file, label in ((good, "run"), (good, "wave"), (bad, "run"))
        for number, split in enumerate(("train", "val", "test"))
    ]
    few = make_params({"max_bad_fraction": 0.5, "min_videos_per_class": 3}, {"crossing_groups": "allow"})
    result = ingest(rows, tmp_path, few, Memory(tmp_path / "memory"))
    assert len(probed) == 2
    assert result.manifest["num_frames"].tolist() == [6] * 6
    assert result.quarantine["path"].tolist() == [f"{number}/{BROKEN}" for number in range(3)]
    assert result.quarantine["reason"].nunique() == 1


def known(files: list[ScannedFile], *without: str) -> list[ScannedFile]:
    """Return the files that the memory knows, less some: ingesting them starts no process."""
    return [file for file in files if file.path != BROKEN and file.path not in without]


def test_a_row_without_a_file_is_quarantined(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory
):
    result = ingest([*known(files), ScannedFile("gone.mp4", "run", "person9")], tree, make_params(), memory)
    assert result.quarantine.to_dict("records") == [{**WHOLE, "path": "gone.mp4", "reason": "does not exist"}]
    assert len(result.manifest) == 8


def test_an_image_that_stands_alone_is_quarantined_without_a_look_inside(
    done: Ingested, files: list[ScannedFile], make_params: Callable[..., Params], memory: Memory, tmp_path: Path
):
    (tmp_path / "one.JPG").write_bytes(b"an image")
    rows = [*known(files), ScannedFile("one.JPG", "run", digest="its digest", size=8)]
    (reason,) = ingest(rows, tmp_path, make_params(), memory).quarantine["reason"]
    assert reason == "is an image; a folder of frames holds numbered images of one prefix and nothing else"


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
    assert result.quarantine.columns.tolist() == ["path", "reason", "start_sec", "end_sec"]
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


def test_the_card_warns_of_names_that_suggest_a_mirror_pair(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory
):
    named = {"run": "step left", "wave": "step right"}
    rows = [replace(file, label=named[file.label]) for file in files]
    card = ingest(rows, tree, make_params(), memory).card
    assert (
        len([text for text in card["warnings"] if "'step left' and 'step right' look like mirror images" in text]) == 1
    )
    said = ingest(rows, tree, make_params({"mirror_pairs": [["step right", "step left"]]}), memory).card
    assert said["warnings"] == [NOT_LOOKED_FOR]


def test_groups_that_cross_the_given_splits_stand_in_the_card(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory
):
    splits = ["train", "train", "val", "test", "train", "val", "train", "test"]
    rows = [replace(file, split=split) for file, split in zip(known(files), splits, strict=True)]
    with pytest.raises(DataError, match=r"2 groups cross the given splits.* or set ingest.crossing_groups to allow"):
        ingest(rows, tree, make_params(), memory)
    card = ingest(rows, tree, make_params(ingest={"crossing_groups": "allow"}), memory).card
    assert card["num_crossing_groups"] == 2
    assert len([text for text in card["warnings"] if "ingest.crossing_groups allows it" in text]) == 1
    assert done.card["num_crossing_groups"] == 0


def clip_of(file: ScannedFile, start_sec: float, end_sec: float, **values: str) -> ScannedFile:
    return replace(file, start_sec=repr(start_sec), end_sec=repr(end_sec), **values)


def test_clips_of_a_video_are_rows_that_share_a_group(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory
):
    first, *rest = known(files)  # 0.6 s
    clips = [clip_of(first, 0.0, 0.3), clip_of(first, 0.2, 0.5), first]
    rows = [replace(file, group=f"g{number}") for number, file in enumerate([*clips, *rest])]
    manifest = ingest(rows, tree, make_params(), memory).manifest
    mine = manifest[manifest["path"] == first.path]
    assert mine[["start_sec", "end_sec"]].to_numpy().tolist() == [["0.0", "0.3"], ["0.2", "0.5"], ["", ""]]
    assert mine["video_id"].tolist() == [video_id_of(*clip.clip) for clip in clips]
    assert mine["video_id"].tolist()[2] == video_id_of(first.path)
    assert mine["num_frames"].tolist() == [6, 6, 6]
    assert mine["group"].nunique() == 1
    assert manifest["group"].nunique() == 8


def test_a_clip_must_begin_inside_its_video_and_may_end_a_little_later(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory
):
    first, *rest = known(files)  # 0.6 s
    clips = [clip_of(first, *times) for times in ((0.1, 1.6), (0.1, 1.61), (0.5, 0.6), (0.6, 0.7))]
    result = ingest([*clips, *rest], tree, make_params({"max_bad_fraction": 0.5}), memory)
    assert result.quarantine.to_numpy().tolist() == [
        [first.path, "its clip ends at 1.61 s and the video at 0.6 s", "0.1", "1.61"],
        [first.path, "its clip begins at 0.6 s and the video ends at 0.6 s", "0.6", "0.7"],
    ]
    mine = result.manifest[result.manifest["path"] == first.path]
    assert mine[["start_sec", "end_sec"]].to_numpy().tolist() == [["0.1", "0.6"], ["0.5", "0.6"]]
    assert mine["video_id"].tolist() == [video_id_of(*clips[0].clip), video_id_of(*clips[2].clip)]
    assert result.card["duration_sec"]["min"] == pytest.approx(0.1)
    assert result.card["num_quarantined"] == 2


def test_a_broken_video_takes_all_its_clips_along(
    done: Ingested, files: list[ScannedFile], tree: Path, make_params: Callable[..., Params], memory: Memory
):
    gone = ScannedFile("gone.mp4", "run")
    rows = [*known(files), clip_of(gone, 0.0, 1.0), clip_of(gone, 1.0, 2.0)]
    result = ingest(rows, tree, make_params(), memory)
    assert result.quarantine["start_sec"].tolist() == ["0.0", "1.0"]
    assert set(result.quarantine["reason"]) == {"does not exist"}
