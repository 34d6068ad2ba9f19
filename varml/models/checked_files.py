"""Folders of files that are read only as they were written: a list of their sha256 lies beside them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from varml.errors import ModelError
from varml.ground.atomic import json_text, write_json
from varml.ground.content_key import file_digest

CHECKSUMS = "checksums.json"


def write_checksums(folder: Path, names: Iterable[str]) -> None:
    """Write the list of the files ``names`` of ``folder``, which makes it complete."""
    write_json(folder / CHECKSUMS, {name: file_digest(folder / name) for name in names})


def check_files(folder: Path, needed: Collection[str], optional: Collection[str] = ()) -> list[str]:
    """Return the names of the files of ``folder``; raise ModelError unless each has the sha256 that it was saved with.

    All of ``needed`` must be there and none but those and ``optional``, and the list of checksums must stand as it was
    written, to the byte.
    """
    try:
        text = (folder / CHECKSUMS).read_text(encoding="utf-8")
        expected = json.loads(text)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no complete model ({CHECKSUMS}: {error}); run `dvc repro`") from error
    if not isinstance(expected, dict) or not {*needed} <= set(expected) <= {*needed, *optional}:
        raise ModelError(f"{folder / CHECKSUMS} must list {' and '.join(sorted(needed))}; make the model again")
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file() or file_digest(path) != digest:
            raise ModelError(f"{path} is missing or was altered after it was saved; do not use it, make it again")
    if text != json_text(expected):
        raise ModelError(f"{folder / CHECKSUMS} was altered after it was saved; do not use the model, make it again")
    added = sorted(path.name for path in folder.iterdir() if path.name not in {*expected, CHECKSUMS})
    if added:
        raise ModelError(f"{folder / added[0]} is no file of the model; a model's folder holds no others, remove it")
    return list(expected)
