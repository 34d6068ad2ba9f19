"""What lies in the data source now: each labelled file with its size and the digest of its bytes."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from varml.config.params import SplitLists
from varml.data.digests import sizes_and_digests
from varml.data.labelled_file import LabelledFile
from varml.data.labels import check_class_sizes, read_labels
from varml.data.names import from_text, to_text
from varml.data.regular import refuse_irregular
from varml.ground.atomic import write_text
from varml.ground.memory import Memory

COLUMNS = ("path", "label", "group", "split", "start_sec", "end_sec", "size", "digest")


@dataclass(frozen=True)
class ScannedFile(LabelledFile):
    """A labelled file; ``digest`` is the sha256 of its bytes, empty where the file does not exist."""

    size: int = 0
    digest: str = ""


def scan(
    source: Path, annotations: str | None, minimum: int, memory: Memory, split_lists: SplitLists | None = None
) -> list[ScannedFile]:
    """Return every labelled file of ``source``.

    Raises DataError where labels break a rule, a class is too small, or a name is no regular file (a FIFO, a
    device, a socket, a link that dangles or leads out of the source): a decoder must never see one.
    """
    rows = read_labels(source, annotations, split_lists)
    check_class_sizes([row.label for row in rows], minimum, "files")
    refuse_irregular(source, rows)
    found = sizes_and_digests([source / row.path for row in rows], memory)
    return [ScannedFile(**vars(row), size=size, digest=digest) for row, (size, digest) in zip(rows, found, strict=True)]


def write_files(path: Path, rows: list[ScannedFile]) -> None:
    """Write the scanned files as CSV, their names as :func:`varml.data.names.to_text` gives them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    writer.writerows([to_text(row.path), *(getattr(row, column) for column in COLUMNS[1:])] for row in rows)
    write_text(path, text.getvalue())


def read_files(path: Path) -> list[ScannedFile]:
    """Return what :func:`write_files` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            ScannedFile(
                from_text(row["path"]), row["label"], row["group"], row["split"], int(row["size"]), row["digest"],
                start_sec=row["start_sec"], end_sec=row["end_sec"],
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip
