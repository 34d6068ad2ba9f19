"""Labels from a CSV: one line for each video, or for each clip of one."""

from __future__ import annotations

import csv
import os
from pathlib import Path, PurePosixPath

from varml.data.clips import clip_times
from varml.data.labelled_file import SPLITS, LabelledFile
from varml.errors import DataError

COLUMNS = "path,label[,group][,split][,start_sec,end_sec]"


def read_annotations(path: Path) -> list[LabelledFile]:
    """Return the rows of a CSV whose paths are relative to its folder.

    Raises DataError with the line where a row breaks a rule.
    """
    try:
        rows = _read_rows(path)
    except csv.Error as error:
        raise DataError(f"{path.name} is no CSV that can be read ({error}); mend or export it again") from error
    check_each_clip_once(rows)
    _check_filled(path.name, rows)
    return rows


def relative_path(text: str, place: str) -> str:
    """Return ``text`` without what changes nothing in it; raises DataError where it may leave the data source."""
    pure = PurePosixPath(text)
    if pure.is_absolute() or ".." in pure.parts or "\0" in text:
        raise DataError(f"{place}: path {text!r} must be relative to the data source and stay below it")
    return pure.as_posix()


def check_each_clip_once(rows: list[LabelledFile]) -> None:
    """Raise DataError where two rows name one file with the same times."""
    first: dict[tuple[str, str, str], LabelledFile] = {}
    for row in rows:
        earlier = first.setdefault(row.clip, row)
        if earlier is not row:
            raise DataError(
                f"{row.place}: {row.path!r} stands in {earlier.place} already; keep one line for each video, or for "
                "each clip of it"
            )


def _read_rows(path: Path) -> list[LabelledFile]:
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        reader = csv.DictReader(file)
        missing = [name for name in ("path", "label") if name not in (reader.fieldnames or [])]
        if missing:
            header = ", ".join(reader.fieldnames or []) or "nothing"
            raise DataError(
                f"{path.name} needs a header with the columns {COLUMNS}; {' and '.join(missing)} is missing, the "
                f"first line has {header}; add it"
            )
        return [_row(path, reader.line_num, row) for row in reader]


def _row(file: Path, line: int, row: dict[str, str | None]) -> LabelledFile:
    place = f"{file.name}, line {line}"
    label, group, split, start, end = (
        (row.get(column) or "").strip() for column in ("label", "group", "split", "start_sec", "end_sec")
    )
    path = _named_path(file.parent, row["path"] or "")
    if not path or not label:
        raise DataError(f"{place}: path and label must not be empty; fill them in or drop the line")
    if not all(text.isprintable() for text in (label, group)):
        raise DataError(f"{place}: label {label!r} or group {group!r} has a control character; remove it")
    if split and split not in SPLITS:
        raise DataError(f"{place}: split {split!r} must be one of {', '.join(SPLITS)}")
    try:
        start_sec, end_sec = clip_times(start, end)
    except ValueError as error:
        raise DataError(f"{place}: {error}") from error
    return LabelledFile(
        relative_path(path, place), label, group, split,
        start_sec=start_sec, end_sec=end_sec, listed_in=file.name, line=line,
    )  # fmt: skip


def _named_path(folder: Path, cell: str) -> str:
    # Spaces around a cell are nobody's intention, unless a file is called just that.
    stripped = cell.strip()
    return cell if cell != stripped and os.path.lexists(folder / cell) else stripped


def _check_filled(name: str, rows: list[LabelledFile]) -> None:
    for column in ("group", "split"):
        filled = sum(bool(getattr(row, column)) for row in rows)
        if 0 < filled < len(rows):
            raise DataError(
                f"{name}: the column {column!r} is filled in {filled} of {len(rows)} lines; fill all or none"
            )
