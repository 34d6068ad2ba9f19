"""Labels from folders: each folder below the data source is a class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from varml.data.labelled_file import LabelledFile
from varml.errors import DataError, VideoError
from varml.video.frame_folder import numbered_images


def read_class_folders(source: Path) -> list[LabelledFile]:
    """Return each video below each class folder: files, and folders of numbered images. Hidden ones are left out.

    Raises DataError where a class folder is empty or its name cannot be printed.
    """
    rows = []
    for folder in sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if not folder.name.isprintable():
            raise DataError(f"the class folder {folder.name!r} in {source} has unprintable characters; rename it")
        videos = list(_videos_below(folder))
        if not videos:
            raise DataError(f"class {folder.name!r} has no file in {folder}; add videos or remove the folder")
        rows += [LabelledFile(str(video.relative_to(source)), folder.name) for video in videos]
    return rows


def _videos_below(folder: Path) -> Iterator[Path]:
    # os.walk does not follow links to folders, so no loop of links is walked for ever.
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = [name for name in names if not name.startswith(".")]
        if shown and not folders and Path(parent) != folder and _is_video(Path(parent)):
            yield Path(parent)
        else:
            yield from (Path(parent, name) for name in shown)


def _is_video(folder: Path) -> bool:
    try:
        return bool(numbered_images(folder))
    except VideoError:
        return True  # the check of what decoders may see says what is wrong with it
