"""Which files are labelled: by folders, or by a CSV whose every rule has its message."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from varml.data.labelled_file import LabelledFile
from varml.data.labels import check_class_sizes, read_labels
from varml.errors import DataError

Annotate = Callable[[Iterable[str]], str]


def test_each_folder_is_a_class(source: Path):
    (source / "wave" / "deep" / "er").mkdir(parents=True)
    (source / "wave" / "deep" / "er" / "a b.mp4").touch()
    assert read_labels(source, None) == [
        LabelledFile("run/0.mp4", "run"),
        LabelledFile("run/1.mp4", "run"),
        LabelledFile("run/2.mp4", "run"),
        LabelledFile("wave/0.mp4", "wave"),
        LabelledFile("wave/1.mp4", "wave"),
        LabelledFile("wave/2.mp4", "wave"),
        LabelledFile("wave/deep/er/a b.mp4", "wave"),
    ]


def test_hidden_files_and_folders_and_files_beside_the_classes_are_left_out(source: Path):
    expected = read_labels(source, None)
    for name in (".hidden/x.mp4", "run/.DS_Store", "run/.cache/x.mp4", "README.md"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).touch()
    assert read_labels(source, None) == expected


def test_a_loop_of_links_is_not_walked(source: Path):
    expected = read_labels(source, None)
    (source / "run" / "loop").symlink_to(source / "run")
    assert read_labels(source, None) == expected


def test_names_that_are_not_utf_8_are_kept(source: Path):
    name = os.fsdecode(b"caf\xe9.mp4")
    (source / "run" / name).touch()
    assert LabelledFile(f"run/{name}", "run") in read_labels(source, None)


def make_images(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(name.encode())


def test_a_folder_of_numbered_images_below_a_class_is_one_video(source: Path):
    make_images(source / "wave" / "clip1", "img_1.jpg", "img_2.jpg")
    make_images(source / "wave" / "deep" / "clip2", "7.PNG")
    paths = [row.path for row in read_labels(source, None) if row.label == "wave"]
    assert paths == ["wave/0.mp4", "wave/1.mp4", "wave/2.mp4", "wave/clip1", "wave/deep/clip2"]


def test_images_of_a_class_folder_itself_or_beside_other_things_are_files(source: Path):
    make_images(source / "jump", "1.jpg", "2.jpg")
    make_images(source / "wave" / "mixed", "1.jpg", "notes.txt")
    make_images(source / "wave" / "clips", "1.jpg")
    make_images(source / "wave" / "clips" / "clip1", "1.jpg")
    paths = [row.path for row in read_labels(source, None) if not row.path.endswith(".mp4")]
    assert paths == [
        "jump/1.jpg", "jump/2.jpg", "wave/clips/1.jpg", "wave/clips/clip1", "wave/mixed/1.jpg", "wave/mixed/notes.txt",
    ]  # fmt: skip


@pytest.mark.parametrize("name", [b"new\nline", b"caf\xe9", b"\x07"])
def test_a_class_folder_that_cannot_be_printed(source: Path, name: bytes):
    (source / os.fsdecode(name)).mkdir()
    with pytest.raises(DataError, match=r"the class folder '.*' in .* has unprintable characters; rename it"):
        read_labels(source, None)


@pytest.mark.parametrize("inside", [[], [".hidden"]])
def test_an_empty_class_folder(source: Path, inside: list[str]):
    (source / "jump").mkdir()
    for name in inside:
        (source / "jump" / name).touch()
    with pytest.raises(DataError, match=r"class 'jump' has no file in .*jump; add videos or remove the folder"):
        read_labels(source, None)


def test_one_class_alone(source: Path):
    shutil.rmtree(source / "wave")
    with pytest.raises(
        DataError, match=r"at least 2 classes, and there is only 'run' as folders of videos in .*source"
    ):
        read_labels(source, None)


def test_no_class_at_all(tmp_path: Path):
    with pytest.raises(DataError, match="at least 2 classes, and there is none as folders of videos"):
        read_labels(tmp_path, None)


def test_annotations_are_sorted_by_path(source: Path, annotate: Annotate):
    name = annotate(["split,path,label,group", "test,wave/0.mp4,wave,p2", "train,run/0.mp4,a run,p1"])
    assert read_labels(source, name) == [
        LabelledFile("run/0.mp4", "a run", "p1", "train"),
        LabelledFile("wave/0.mp4", "wave", "p2", "test"),
    ]


def test_columns_of_no_meaning_and_spaces_around_cells_do_not_matter(source: Path, annotate: Annotate):
    name = annotate(["path,label,note", " run/0.mp4 , run ,x", "./wave//1.mp4,wave,"])
    assert read_labels(source, name) == [LabelledFile("run/0.mp4", "run"), LabelledFile("wave/1.mp4", "wave")]


def test_quoted_cells(source: Path, annotate: Annotate):
    name = annotate(["path,label", '"a,b ""c"" é.mp4","run, fast"', "x.mp4,wave"])
    assert read_labels(source, name)[0] == LabelledFile('a,b "c" é.mp4', "run, fast")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_byte_order_mark_and_line_ends_do_not_matter(source: Path, encoding: str, line_end: str):
    text = line_end.join(["path,label", "run/0.mp4,läuft", "wave/0.mp4,wave", ""])
    (source / "labels.csv").write_bytes(text.encode(encoding))
    assert [row.label for row in read_labels(source, "labels.csv")] == ["läuft", "wave"]


def test_files_that_are_not_named_are_left_out(source: Path, annotate: Annotate):
    rows = read_labels(source, annotate(["path,label", "run/0.mp4,run", "wave/0.mp4,wave"]))
    assert len(rows) == 2


GOOD = ["run/0.mp4,run", "wave/0.mp4,wave"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["path,class", *GOOD], r"labels.csv needs a header .*; label is missing, the first line has path, class; add"),
        (GOOD, r"path and label is missing, the first line has run/0.mp4, run"),
        ([""], r"path and label is missing, the first line has nothing"),
        (["path,label", "run/0.mp4,run", "wave/0.mp4,"], r"labels.csv, line 3: path and label must not be empty"),
        (["path,label", "run/0.mp4,run", "wave/0.mp4"], r"labels.csv, line 3: path and label must not be empty"),
        (["path,label", ",run", *GOOD], r"labels.csv, line 2: path and label must not be empty"),
        (["path,label", *GOOD, "  ,run"], r"labels.csv, line 4: path and label must not be empty"),
        (["path,label", *GOOD, "/tmp/a.mp4,run"], r"line 4: path '/tmp/a.mp4' must be relative to the data source and"),
        (["path,label", *GOOD, "../a.mp4,run"], r"line 4: path '../a.mp4' must be relative to the data source"),
        (["path,label", *GOOD, "run/../../a,run"], r"line 4: path 'run/../../a' must be relative to the data source"),
        (["path,label", *GOOD, "run/\0.mp4,run"], r"line 4: path 'run/.x00.mp4' must be relative to the data"),
        (["path,label,split", "run/0.mp4,run,train", "a,wave,Test"], r"line 3: split 'Test' must be one of train, val"),
        (["path,label", *GOOD, "run/0.mp4,wave"], r"line 4: 'run/0.mp4' stands in labels.csv, line 2 already; keep"),
        (["path,label", *GOOD, "./run//0.mp4,run"], r"line 4: 'run/0.mp4' stands in labels.csv, line 2"),
        (["path,label,group", "run/0.mp4,run,p1", "wave/0.mp4,wave,"], r"column 'group' is filled in 1 of 2 lines"),
        (["path,label,split", "run/0.mp4,run,", "wave/0.mp4,wave,test"], r"column 'split' is filled in 1 of 2 lines"),
        (["path,label", "run/0.mp4,run", "wave/0.mp4,run"], r"there is only 'run' in the column 'label' of labels.csv"),
        (["path,label"], r"there is none in the column 'label' of labels.csv"),
    ],
)  # fmt: skip
def test_a_rule_of_the_annotations(source: Path, annotate: Annotate, lines: list[str], message: str):
    with pytest.raises(DataError, match=message):
        read_labels(source, annotate(lines))


BAD_TIMES = [
    ("1", ""), ("", "1"), ("2", "2"), ("2", "1"), ("-1", "1"), ("0", "inf"), ("nan", "1"), ("0", "nan"), ("a", "1"),
]  # fmt: skip


@pytest.mark.parametrize(("start", "end"), BAD_TIMES)
def test_times_that_bound_no_clip(source: Path, annotate: Annotate, start: str, end: str):
    name = annotate(["path,label,start_sec,end_sec", "run/0.mp4,run,0,1", f"wave/0.mp4,wave,{start},{end}"])
    with pytest.raises(DataError) as caught:
        read_labels(source, name)
    assert str(caught.value) == (
        f"labels.csv, line 3: start_sec {start!r} and end_sec {end!r} must be two numbers with 0 <= start_sec < "
        "end_sec, or both empty"
    )


@pytest.mark.parametrize("column", ["start_sec", "end_sec"])
def test_one_time_without_the_other(source: Path, annotate: Annotate, column: str):
    with pytest.raises(DataError, match=r"labels.csv, line 2: start_sec '1?' and end_sec '1?' must be two numbers"):
        read_labels(source, annotate([f"path,label,{column}", "run/0.mp4,run,1", "wave/0.mp4,wave,2"]))


def test_clips_of_one_file_are_rows_of_their_own_in_the_order_of_their_times(source: Path, annotate: Annotate):
    lines = ["run/0.mp4,10,11", "run/0.mp4,9,12.50", "run/0.mp4,,", "wave/0.mp4,,", "run/0.mp4,9,9.5"]
    labelled = [f"{line},{line.split('/')[0]}" for line in lines]
    rows = read_labels(source, annotate(["path,start_sec,end_sec,label", *labelled]))
    assert [row.clip for row in rows] == [
        ("run/0.mp4", "", ""), ("run/0.mp4", "9.0", "9.5"), ("run/0.mp4", "9.0", "12.5"), ("run/0.mp4", "10.0", "11.0"),
        ("wave/0.mp4", "", ""),
    ]  # fmt: skip
    assert [row.place for row in rows[:2]] == ["labels.csv, line 4", "labels.csv, line 6"]


@pytest.mark.parametrize("again", ["1,2", "1.0,2.00", "1e0,2"])
def test_a_clip_that_is_named_twice(source: Path, annotate: Annotate, again: str):
    lines = ["path,label,start_sec,end_sec", "run/0.mp4,run,1,2", "wave/0.mp4,wave,1,2", f"run/0.mp4,wave,{again}"]
    with pytest.raises(DataError, match=r"labels.csv, line 4: 'run/0.mp4' stands in labels.csv, line 2 already; keep"):
        read_labels(source, annotate(lines))


def test_spaces_around_a_path_count_where_a_file_is_called_so(source: Path, annotate: Annotate):
    (source / "run" / "0.mp4 ").touch()
    rows = read_labels(source, annotate(["path,label", "run/0.mp4 ,run", "run/0.mp4,run", "wave/0.mp4 ,wave"]))
    assert [row.path for row in rows] == ["run/0.mp4", "run/0.mp4 ", "wave/0.mp4"]


def test_a_path_may_hold_line_ends_and_bytes(source: Path):
    text = b'path,label\n"run/a\nb\r.mp4",run\n"caf\xe9.mp4",wave\nx.mp4,wave\n'
    (source / "labels.csv").write_bytes(text)
    rows = read_labels(source, "labels.csv")
    assert [os.fsencode(row.path) for row in rows] == [b"caf\xe9.mp4", b"run/a\nb\r.mp4", b"x.mp4"]


@pytest.mark.parametrize("column", ["group", "split"])
def test_an_empty_column_is_as_good_as_none(source: Path, annotate: Annotate, column: str):
    rows = read_labels(source, annotate([f"path,label,{column}", *(f"{line}," for line in GOOD)]))
    assert [(row.group, row.split) for row in rows] == [("", "")] * 2


def test_small_classes_are_all_named():
    labels = ["a"] * 5 + ["b"] * 2 + ["c"] * 4
    check_class_sizes(labels, 2, "files")
    with pytest.raises(DataError, match=r"at least 5 files \(data.min_videos_per_class\): 'b' has 2, 'c' has 4; add"):
        check_class_sizes(labels, 5, "files")
