"""What no split can mend is said before anything is decoded, and asked once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from varml.config import Params, load_params
from varml.config.space import apply_values
from varml.data import splits
from varml.data.scan import ScannedFile
from varml.data.split_check import check_splits
from varml.errors import DataError
from varml.ground.memory import Memory

SHIPPED = load_params(Path(__file__).resolve().parents[2] / "params.yaml")
MakeFiles = Callable[..., list[ScannedFile]]


def make_files(groups: dict[str, list[str]], **values: Any) -> list[ScannedFile]:
    """Return a file of other bytes for each group of each class."""
    return [
        ScannedFile(f"{label}/{number}.mp4", label, group, digest=f"{label}{number}", **values)
        for label, names in groups.items()
        for number, group in enumerate(names)
    ]


PERSONS = [f"p{number}" for number in range(6)]


def params(**values: Any) -> Params:
    return apply_values(SHIPPED, {key.replace("__", "."): value for key, value in values.items()})


def test_a_class_in_too_few_groups_is_named_with_its_numbers(memory: Memory):
    files = make_files({"x": ["p0", "p0", "p1"], "y": ["p1", "p2", "p2"], "z": ["p0", "p2", "p0"]})
    with pytest.raises(DataError, match=r"no video of '.' \(3 videos in 2 groups\) is left for training"):
        check_splits(files, SHIPPED, memory)


def test_a_class_in_one_group_is_trained_and_not_tested(memory: Memory):
    check_splits(make_files({"x": PERSONS, "y": PERSONS, "rare": ["p0"] * 3}), SHIPPED, memory)


def test_clips_of_one_file_are_one_group(memory: Memory):
    files = make_files({"x": ["p0", "p0", "p1", "p1"], "y": ["p0", "p0", "p1", "p1"]})
    check_splits(files, SHIPPED, memory)
    clips = [replace(file, path="long.mp4", start_sec=f"{n}.0", end_sec=f"{n}.9") for n, file in enumerate(files)]
    with pytest.raises(DataError, match="needs at least 2 groups"):
        check_splits(clips, SHIPPED, memory)


def test_copies_are_left_to_ingest_because_they_may_be_unreadable(memory: Memory):
    files = make_files({"x": PERSONS, "y": PERSONS}, split="")
    check_splits([replace(file, digest="the same") for file in files], SHIPPED, memory)


def test_folders_that_are_whole_classes_are_no_groups_to_split(memory: Memory):
    files = make_files({"x": [""] * 5, "y": [""] * 5})
    check_splits(files, params(ingest__group_from=None), memory)
    with pytest.raises(DataError, match=r"no video of '[xy]' \(5 videos in 1 group\) is left for training"):
        check_splits(files, params(ingest__group_from="parent_folder"), memory)


def test_given_splits_that_leave_nothing_to_fold(memory: Memory):
    files = [
        ScannedFile(f"{label}/{number}.mp4", label, "", split, digest=f"{label}{number}")
        for label in ("x", "y")
        for number, split in enumerate(["train", "test", "test"])
    ]
    with pytest.raises(DataError, match="no val can be taken from 2 training videos"):
        check_splits(files, SHIPPED, memory)
    with_val = [*files[:1], ScannedFile("z/0.mp4", "x", "", "val", digest="z"), *files[1:]]
    check_splits(with_val, SHIPPED, memory)


def test_crossing_groups_are_refused_here_already(memory: Memory):
    files = make_files({"x": PERSONS, "y": PERSONS}, split="train")
    files += make_files({"x": ["p0"], "y": ["p6"]}, split="test")
    renamed = [ScannedFile(f"{n}", f.label, f.group, f.split, digest=f"{n}") for n, f in enumerate(files)]
    with pytest.raises(DataError, match="cross the given splits"):
        check_splits(renamed, SHIPPED, memory)
    check_splits(renamed, params(ingest__crossing_groups="allow"), memory)


def test_rows_without_a_file_count_for_nothing(memory: Memory):
    check_splits([ScannedFile("a", "x"), ScannedFile("b", "y")], SHIPPED, memory)
    files = make_files({"x": PERSONS, "y": PERSONS})
    gone = [ScannedFile(f"gone{number}", "z", f"q{number}") for number in range(3)]
    check_splits([*files, *gone], SHIPPED, memory)


def test_what_passed_is_not_split_again(memory: Memory, monkeypatch: pytest.MonkeyPatch):
    files = make_files({"x": PERSONS, "y": PERSONS})
    check_splits(files, SHIPPED, memory)
    calls: list[str] = []
    monkeypatch.setattr(splits, "make_folds", lambda *_: calls.append("folds"))
    check_splits(files, SHIPPED, memory)
    check_splits(files, params(search__num_trials=99), memory)
    assert calls == []
    for other in (params(seed=1), params(search__num_folds=2), params(ingest__test_fraction=0.3)):
        check_splits(files, other, memory)
    check_splits(files[:-1], SHIPPED, memory)
    assert len(calls) == 4


def test_what_failed_fails_again(memory: Memory):
    files = make_files({"x": ["p0"] * 3, "y": ["p1"] * 3})
    for _ in range(2):
        with pytest.raises(DataError):
            check_splits(files, SHIPPED, memory)
