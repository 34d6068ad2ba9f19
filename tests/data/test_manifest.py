"""The manifest comes back as it was written, whatever its paths and labels look like."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from varml.data.manifest import COLUMNS, class_names, lengths_sec, read_manifest, video_id_of, write_table
from varml.errors import DataError

PATHS = ["run/new\nline.mp4", "a,b.mp4", '"quoted".mp4', "é 日本.mp4", " spaces .mp4", "a\r\nb.mp4", "007", "1e5", "#x"]
LABELS = ["1", "01", "1.0", "NA", "null", "nan", "None", "true", " wave "]


def row(path: str, label: str, **values: Any) -> dict[str, Any]:
    return {
        "video_id": video_id_of(path), "path": path, "label": label, "group": label, "split": "train",
        "start_sec": "", "end_sec": "", "num_frames": 40,
        "fps": 29.97, "duration_sec": 1.335, "width": 80, "height": 64, "rotation_deg": 0,
        "flipped": False, "sample_aspect_ratio": 1.0, "codec": "h264", "pixel_format": "yuv420p",
        "num_video_streams": 1, "num_audio_streams": 0, "reader": "pyav", "indexed": True, "digest": "0123", **values,
    }  # fmt: skip


@pytest.mark.parametrize("path", ["a.mp4", "é\n.mp4", os.fsdecode(b"caf\xe9.mp4")])
def test_the_id_is_the_beginning_of_the_hash_of_the_bytes_of_the_path(path: str):
    assert video_id_of(path) == hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    assert len(video_id_of(path)) == 16


def test_the_id_of_a_clip_is_its_own():
    clips = [("a", "", ""), ("a", "0.0", "1.0"), ("a", "0.0", "1.5"), ("a0.0", "0.0", "1.0"), ("a", "0.01", ".0")]
    assert len({video_id_of(*clip) for clip in clips}) == len(clips)
    assert video_id_of("a", "", "") == video_id_of("a")


def test_times_come_back_as_they_were_written(tmp_path: Path):
    rows = [row("a", "x", start_sec="0.1", end_sec="0.30000000000000004"), row("b", "y")]
    write_table(tmp_path / "manifest.csv", pd.DataFrame(rows)[COLUMNS])
    back = read_manifest(tmp_path / "manifest.csv")
    assert back[["start_sec", "end_sec"]].to_numpy().tolist() == [["0.1", "0.30000000000000004"], ["", ""]]


def test_a_row_lasts_as_long_as_its_clip():
    table = pd.DataFrame([row("a", "x"), row("a", "x", start_sec="0.5", end_sec="1.25")])
    assert lengths_sec(table).tolist() == [1.335, 0.75]


def test_odd_paths_and_labels_come_back(tmp_path: Path):
    rows = [row(path, label) for path, label in zip(PATHS, LABELS, strict=True)]
    write_table(tmp_path / "manifest.csv", pd.DataFrame(rows)[COLUMNS])
    back = read_manifest(tmp_path / "manifest.csv")
    assert back.columns.tolist() == COLUMNS
    assert back.to_dict("records") == rows


def test_numbers_are_numbers(tmp_path: Path):
    write_table(tmp_path / "manifest.csv", pd.DataFrame([row("a", "x"), row("b", "y", fps=0.0, digest="12e3")]))
    back = read_manifest(tmp_path / "manifest.csv")
    assert back["num_frames"].sum() == 80
    assert back["fps"].tolist() == [29.97, 0.0]
    assert back["digest"].tolist() == ["0123", "12e3"]


def test_the_rows_of_some_splits_keep_their_order(tmp_path: Path):
    splits = ["test", "train", "val", "train", "test"]
    table = pd.DataFrame([row(str(n), "x", split=split) for n, split in enumerate(splits)])
    write_table(tmp_path / "manifest.csv", table)
    chosen = read_manifest(tmp_path / "manifest.csv", ["train", "val"])
    assert chosen["path"].tolist() == ["1", "2", "3"]
    assert chosen.index.tolist() == [0, 1, 2]
    assert read_manifest(tmp_path / "manifest.csv", ["test"])["path"].tolist() == ["0", "4"]


def test_equal_tables_give_equal_bytes_without_an_index(tmp_path: Path):
    table = pd.DataFrame([row("a", "x"), row("b", "y")])[COLUMNS]
    for name, index in (("one", [0, 1]), ("two", [7, 3])):
        write_table(tmp_path / name, table.set_index(pd.Index(index)))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_text().splitlines()[0] == ",".join(COLUMNS)


def test_a_missing_manifest(tmp_path: Path):
    with pytest.raises(DataError, match=r"manifest.csv does not exist; run `dvc repro` first"):
        read_manifest(tmp_path / "manifest.csv")


def test_classes_are_in_alphabetical_order():
    table = pd.DataFrame({"label": ["wave", "10", "2", "wave", "Run"]})
    assert class_names(table) == ["10", "2", "Run", "wave"]
