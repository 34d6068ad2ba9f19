"""Labels and splits from UCF101-style lists: lines of ``Class/name.avi``, with or without a class number behind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from varml.config.params import SplitLists
from varml.data.annotations import check_each_clip_once, relative_path
from varml.data.labelled_file import LabelledFile
from varml.errors import DataError

_CLASS_NUMBER = re.compile(r"\s+[0-9]+$")


def read_split_lists(source: Path, lists: SplitLists) -> list[LabelledFile]:
    """Return a row for each line of each list; the label is the first folder of the path, relative to ``source``.

    Raises DataError with list and line where a line breaks a rule or names no file, or two lines name one.
    """
    named = [(split, name) for split, names in lists.model_dump().items() for name in names]
    rows = [row for split, name in named for row in _read_list(source, name, split)]
    check_each_clip_once(rows)
    return rows


def _read_list(source: Path, name: str, split: str) -> Iterator[LabelledFile]:
    text = (source / name).read_text(encoding="utf-8-sig", errors="surrogateescape")
    # Not splitlines: names may hold what else Unicode takes for the end of a line.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _row(source, line.strip(), split, name, number)


def _row(source: Path, line: str, split: str, name: str, number: int) -> LabelledFile:
    place = f"{name}, line {number}"
    # A name may end as a line does, in a number.
    whole = os.path.lexists(source / line)
    path = relative_path(line if whole else _CLASS_NUMBER.sub("", line), place)
    label, *rest = PurePosixPath(path).parts or ("",)
    if not rest:
        raise DataError(f"{place}: {path!r} has no folder, which is its class; write Class/{path}")
    if not label.isprintable():
        raise DataError(f"{place}: the class folder {label!r} has unprintable characters; rename it")
    if not os.path.lexists(source / path):
        raise DataError(f"{place}: {path!r} does not exist in {source}; correct the line or drop it")
    return LabelledFile(path, label, split=split, listed_in=name, line=number)
