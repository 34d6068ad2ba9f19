"""UCF101-style lists: what they label, and what a line must not say."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from varml.config.params import SplitLists
from varml.data.labelled_file import LabelledFile
from varml.data.labels import read_labels
from varml.data.scan import scan
from varml.errors import DataError
from varml.ground.memory import Memory

WriteLists = Callable[..., SplitLists]


@pytest.fixture
def write_lists(source: Path) -> WriteLists:
    """A function that writes one list a split below ``source``; lines are text or bytes."""

    def write(**lines: Iterable[str]) -> SplitLists:
        (source / "lists").mkdir()
        for split, some in lines.items():
            (source / "lists" / f"{split}01.txt").write_bytes(os.fsencode("\n".join(some)))
        named = {split: [f"lists/{split}01.txt"] if split in lines else [] for split in ("train", "val", "test")}
        return SplitLists(**named)

    return write


TRAIN = ["run/0.mp4 1", "wave/0.mp4 2"]
TEST = ["run/1.mp4", "wave/1.mp4"]


def test_listed_files_alone_are_used_in_the_split_of_their_list(source: Path, write_lists: WriteLists):
    rows = read_labels(source, None, write_lists(train=TRAIN, test=TEST, val=["wave/2.mp4"]))
    assert rows == [
        LabelledFile("run/0.mp4", "run", split="train"),
        LabelledFile("run/1.mp4", "run", split="test"),
        LabelledFile("wave/0.mp4", "wave", split="train"),
        LabelledFile("wave/1.mp4", "wave", split="test"),
        LabelledFile("wave/2.mp4", "wave", split="val"),
    ]
    assert rows[1].place == "lists/test01.txt, line 1"


def test_several_lists_of_one_split_come_together(source: Path, write_lists: WriteLists):
    lists = write_lists(train=TRAIN, test=TEST)
    (source / "more.txt").write_text("run/2.mp4 1\r\n\r\n  wave/2.mp4 2  \r\n")
    both = lists.model_copy(update={"train": [*lists.train, "more.txt"]})
    assert [row.path for row in read_labels(source, None, both) if row.split == "train"] == [
        "run/0.mp4", "run/2.mp4", "wave/0.mp4", "wave/2.mp4",
    ]  # fmt: skip


def test_the_label_is_the_first_folder_and_names_are_of_any_kind(source: Path, write_lists: WriteLists):
    odd = ["wave/deep/a b.mp4", os.fsdecode(b"wave/caf\xe9.mp4"), "wave/line\u2028.mp4", "wave/take 3", "wave/take"]
    for name in odd:
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).touch()
    lines = [odd[0], f"{odd[1]} 2", odd[2], odd[3], f"{odd[4]} 7"]
    rows = read_labels(source, None, write_lists(train=[*TRAIN, *lines], test=TEST))
    assert {row.path for row in rows if row.split == "train"} == {"run/0.mp4", "wave/0.mp4", *odd}
    assert {row.label for row in rows} == {"run", "wave"}


def test_without_lists_folders_are_read(source: Path):
    assert read_labels(source, None, SplitLists(train=[], val=[], test=[])) == read_labels(source, None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("wave/9.mp4 2", r"lists/train01.txt, line 3: 'wave/9.mp4' does not exist in .*source; correct the line"),
        ("0.mp4", r"lists/train01.txt, line 3: '0.mp4' has no folder, which is its class; write Class/0.mp4"),
        ("run/0.mp4", r"lists/train01.txt, line 3: 'run/0.mp4' stands in lists/train01.txt, line 1 already"),
        ("./run//0.mp4 7", r"lists/train01.txt, line 3: 'run/0.mp4' stands in lists/train01.txt, line 1 already"),
        ("run/1.mp4 1", r"lists/test01.txt, line 1: 'run/1.mp4' stands in lists/train01.txt, line 3 already"),
        ("../run/2.mp4", r"line 3: path '../run/2.mp4' must be relative to the data source and stay below it"),
        ("/etc/passwd 1", r"line 3: path '/etc/passwd' must be relative to the data source and stay below it"),
        ("run/\0.mp4", r"line 3: path 'run/.x00.mp4' must be relative to the data source and stay below it"),
        ("r\tun/0.mp4", r"line 3: the class folder 'r.tun' has unprintable characters; rename it"),
    ],
)
def test_a_rule_of_a_line(source: Path, write_lists: WriteLists, line: str, message: str):
    lists = write_lists(train=[*TRAIN, line], test=TEST)
    with pytest.raises(DataError, match=message):
        read_labels(source, None, lists)


def test_one_class_alone(source: Path, write_lists: WriteLists):
    lists = write_lists(train=["run/0.mp4"], test=["run/1.mp4"])
    with pytest.raises(DataError, match=r"there is only 'run' in data.split_lists, as the first folder of paths below"):
        read_labels(source, None, lists)


def test_a_link_out_of_the_source_is_refused_with_list_and_line(
    source: Path, write_lists: WriteLists, memory: Memory, tmp_path: Path
):
    (tmp_path / "secret.mp4").touch()
    (source / "wave" / "out.mp4").symlink_to(tmp_path / "secret.mp4")
    lists = write_lists(train=[*TRAIN, "wave/out.mp4 2"], test=TEST)
    with pytest.raises(DataError, match=r"'wave/out.mp4' \(lists/train01.txt, line 3\) is a link, or lies behind one"):
        scan(source, None, 1, memory, lists)
