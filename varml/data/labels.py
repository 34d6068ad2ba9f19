"""Which files are labelled, and how: a CSV of annotations, lists of splits, or one folder per class."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from varml.config.params import SplitLists
from varml.data.annotations import read_annotations
from varml.data.class_folders import read_class_folders
from varml.data.labelled_file import LabelledFile
from varml.data.split_lists import read_split_lists
from varml.errors import DataError


def read_labels(source: Path, annotations: str | None, split_lists: SplitLists | None = None) -> list[LabelledFile]:
    """Return all labelled files, sorted by path and by the times of their clips.

    Raises DataError where the CSV or a list breaks a rule, a class folder is empty, or fewer than two classes are left.
    """
    if annotations is not None:
        rows, how = read_annotations(source / annotations), f"in the column 'label' of {annotations} in"
    elif split_lists is not None and split_lists.are_given:
        rows, how = read_split_lists(source, split_lists), "in data.split_lists, as the first folder of paths below"
    else:
        rows, how = read_class_folders(source), "as folders of videos in"
    classes = sorted({row.label for row in rows})
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "none"
        raise DataError(f"a recogniser needs at least 2 classes, and there is {found} {how} {source}; add classes")
    return sorted(rows, key=lambda row: (row.path, float(row.start_sec or -1), float(row.end_sec or -1)))


def check_class_sizes(labels: list[str], minimum: int, what: str) -> None:
    """Raise DataError naming each class with fewer than ``minimum`` videos, with its number."""
    small = {label: count for label, count in sorted(Counter(labels).items()) if count < minimum}
    if small:
        listed = ", ".join(f"{label!r} has {count}" for label, count in small.items())
        raise DataError(
            f"each class needs at least {minimum} {what} (data.min_videos_per_class): {listed}; "
            "add videos, take the class out, or lower the minimum"
        )
