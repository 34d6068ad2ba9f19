"""What lies in the data source now: each labelled file with its size and the digest of its bytes."""

from __future__ import annotations

import csv
import io
import os
import stat
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from varml.data.labelled_file import LabelledFile
from varml.data.labels import check_class_sizes, read_labels
from varml.data.names import from_text, to_text
from varml.errors import DataError
from varml.ground.atomic import write_text
from varml.ground.content_key import file_digest
from varml.ground.memory import Memory
from varml.ground.progress import progress

COLUMNS = ("path", "label", "group", "split", "start_sec", "end_sec", "size", "digest")
REMEMBERED_AT_ONCE = 1000


@dataclass(frozen=True)
class ScannedFile(LabelledFile):
    """A labelled file; ``digest`` is the sha256 of its bytes, empty where the file does not exist."""

    size: int = 0
    digest: str = ""


def scan(source: Path, annotations: str | None, minimum: int, memory: Memory) -> list[ScannedFile]:
    """Return every labelled file of ``source``.

    Raises DataError where labels break a rule, a class is too small, or a name is no regular file (a FIFO, a
    device, a socket, a link that dangles or leads out of the source): a decoder must never see one.
    """
    rows = read_labels(source, annotations)
    check_class_sizes([row.label for row in rows], minimum, "files")
    _refuse_irregular(source, rows)
    with closing(_Digests(memory)) as digests:
        return [_scanned(source, row, digests) for row in progress(rows, len(rows), "scan")]


class _Digests:
    """Digests of files, computed once for each state of a file; an interrupt loses none that was computed."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self._known = memory, memory.get_all()
        self._fresh: dict[str, str] = {}

    def digest(self, path: Path, state: os.stat_result) -> str:
        # The name as bytes: it need not be UTF-8. The inode and its change tell a file put in another's place.
        times = f"{state.st_mtime_ns}|{state.st_ctime_ns}|{state.st_ino}"
        key = f"{os.fsencode(path).hex()}|{state.st_size}|{times}"
        if key not in self._known:
            self._known[key] = self._fresh[key] = file_digest(path)
            if len(self._fresh) >= REMEMBERED_AT_ONCE:
                self.close()
        return str(self._known[key])

    def close(self) -> None:
        self._memory.put(self._fresh)
        self._fresh = {}


def _scanned(source: Path, row: LabelledFile, digests: _Digests) -> ScannedFile:
    path = source / row.path
    if not os.path.lexists(path):
        return ScannedFile(**asdict(row))
    try:
        state = path.stat()
        return ScannedFile(**asdict(row), size=state.st_size, digest=digests.digest(path, state))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); give this user the right to, or remove it"
        ) from error


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


def _refuse_irregular(source: Path, rows: list[LabelledFile]) -> None:
    faults = [
        f"  {row.path!r}{f' ({row.place})' if row.line else ''} {fault}"
        for row in rows
        if (fault := _irregularity(source, source / row.path))
    ]
    if faults:
        listed = "\n".join(faults[:20]) + (f"\n  and {len(faults) - 20} more" if len(faults) > 20 else "")
        raise DataError(f"{source} holds names that are no regular files; remove them:\n{listed}")


def _irregularity(source: Path, path: Path) -> str | None:
    if not os.path.lexists(path):
        return None  # a row without a file: ingest quarantines it
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "is a link that leads nowhere"
    if not target.is_relative_to(source.resolve()):
        return "is a link, or lies behind one, that leads out of the data source"
    mode = target.stat().st_mode
    kinds = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
    if stat.S_ISDIR(mode):
        return "is a folder"
    return None if stat.S_ISREG(mode) else f"is a {kinds.get(stat.S_IFMT(mode), 'special file')}"
