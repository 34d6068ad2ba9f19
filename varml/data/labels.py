"""Which files are labelled, and how: a CSV of annotations, or one folder per class."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from varml.errors import DataError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class LabelledFile:
    """One row: ``path`` is relative to the data source; ``group`` and ``split`` are empty where not given."""

    path: str
    label: str
    group: str = ""
    split: str = ""


def read_labels(source: Path, annotations: str | None) -> list[LabelledFile]:
    """Return all labelled files, sorted by path.

    Raises DataError where the CSV breaks a rule, a class folder is empty, or fewer than two classes are left.
    """
    rows = _from_folders(source) if annotations is None else _from_csv(source, source / annotations)
    classes = sorted({row.label for row in rows})
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "none"
        how = "as folders of videos in" if annotations is None else f"in the column 'label' of {annotations} in"
        raise DataError(f"a recogniser needs at least 2 classes, and there is {found} {how} {source}; add classes")
    return sorted(rows, key=lambda row: row.path)


def check_class_sizes(labels: list[str], minimum: int, what: str) -> None:
    """Raise DataError naming each class with fewer than ``minimum`` videos, with its number."""
    small = {label: count for label, count in sorted(Counter(labels).items()) if count < minimum}
    if small:
        listed = ", ".join(f"{label!r} has {count}" for label, count in small.items())
        raise DataError(
            f"each class needs at least {minimum} {what} (data.min_videos_per_class): {listed}; "
            "add videos, take the class out, or lower the minimum"
        )


def _from_folders(source: Path) -> list[LabelledFile]:
    rows = []
    for folder in sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if not folder.name.isprintable():
            raise DataError(f"the class folder {folder.name!r} in {source} has unprintable characters; rename it")
        files = sorted(_files_below(folder))
        if not files:
            raise DataError(f"class {folder.name!r} has no file in {folder}; add videos or remove the folder")
        rows += [LabelledFile(file.relative_to(source).as_posix(), folder.name) for file in files]
    return rows


def _files_below(folder: Path) -> Iterator[Path]:
    # os.walk does not follow links to folders, so no loop of links is walked for ever.
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _from_csv(source: Path, path: Path) -> list[LabelledFile]:
    try:
        rows = _read_rows(path)
    except csv.Error as error:
        raise DataError(f"{path.name} is no CSV that can be read ({error}); mend or export it again") from error
    _check_all(path.name, rows)
    return rows


def _read_rows(path: Path) -> list[LabelledFile]:
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        reader = csv.DictReader(file)
        missing = [name for name in ("path", "label") if name not in (reader.fieldnames or [])]
        if missing:
            header = ", ".join(reader.fieldnames or []) or "nothing"
            raise DataError(
                f"{path.name} needs a header with the columns path,label[,group][,split]; "
                f"{' and '.join(missing)} is missing, the first line has {header}; add it"
            )
        return [_row(path.name, reader.line_num, row) for row in reader]


def _row(name: str, number: int, row: dict[str, str | None]) -> LabelledFile:
    path, label, group, split = ((row.get(key) or "").strip() for key in ("path", "label", "group", "split"))
    pure = PurePosixPath(path)
    if not path or not label:
        raise DataError(f"{name}, line {number}: path and label must not be empty; fill them in or drop the line")
    if pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise DataError(f"{name}, line {number}: path {path!r} must be relative to the CSV and stay below its folder")
    if not all(text.isprintable() for text in (label, group)):
        raise DataError(f"{name}, line {number}: label {label!r} or group {group!r} has a control character; remove it")
    if split and split not in SPLITS:
        raise DataError(f"{name}, line {number}: split {split!r} must be one of {', '.join(SPLITS)}")
    return LabelledFile(pure.as_posix(), label, group, split)


def _check_all(name: str, rows: list[LabelledFile]) -> None:
    twice = [path for path, count in Counter(row.path for row in rows).items() if count > 1]
    if twice:
        raise DataError(f"{name} names {twice[0]!r} more than once; keep one line for each video")
    for column in ("group", "split"):
        filled = sum(bool(getattr(row, column)) for row in rows)
        if 0 < filled < len(rows):
            raise DataError(
                f"{name}: the column {column!r} is filled in {filled} of {len(rows)} lines; fill all or none"
            )
