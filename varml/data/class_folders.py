"""Labels from folders: each folder below the data source is a class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from varml.data.labelled_file import LabelledFile
from varml.errors import DataError


def read_class_folders(source: Path) -> list[LabelledFile]:
    """Return each file below each class folder; hidden ones are left out.

    Raises DataError where a class folder is empty or its name cannot be printed.
    """
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
