"""What a decoder must never see: FIFOs, devices, sockets, links that dangle or lead out of the data source."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from varml.data.labelled_file import LabelledFile
from varml.errors import DataError, VideoError
from varml.video.frame_folder import numbered_images

MAX_LISTED = 20
MAX_LINKS = 40  # as the kernel follows
_KINDS = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}


def refuse_irregular(source: Path, rows: Sequence[LabelledFile]) -> None:
    """Raise DataError with every row that is neither a regular file below ``source`` nor a folder of such images."""
    gate = _Gate(source)
    faults = [
        f"  {row.path!r}{f' ({row.place})' if row.line else ''} {fault}"
        for row in rows
        if (fault := gate.fault_of(source / row.path))
    ]
    if faults:
        more = f"\n  and {len(faults) - MAX_LISTED} more" if len(faults) > MAX_LISTED else ""
        listed = "\n".join(faults[:MAX_LISTED])
        raise DataError(f"{source} holds names that are no regular files; remove them:\n{listed}{more}")


class _Gate:
    """Looks at one path after the other, and resolves each folder once: a data set has many files in few folders."""

    def __init__(self, source: Path) -> None:
        self._source = source.resolve()
        self._folders: dict[Path, Path] = {}

    def fault_of(self, path: Path) -> str | None:
        """Return what is wrong with ``path``; of one that is not there nothing is, because ingest quarantines it."""
        if not os.path.lexists(path):
            return None
        try:
            target, mode = self._follow(path)
        except OSError:
            return "is a link that leads nowhere"
        if not target.is_relative_to(self._source):
            return "is a link, or lies behind one, that leads out of the data source"
        return self._fault_of_kind(path, mode)

    def _fault_of_kind(self, path: Path, mode: int) -> str | None:
        if stat.S_ISDIR(mode):
            return self._fault_of_folder(path)
        return None if stat.S_ISREG(mode) else f"is a {_KINDS.get(stat.S_IFMT(mode), 'special file')}"

    def _fault_of_folder(self, folder: Path) -> str | None:
        try:
            images = numbered_images(folder)
        except VideoError as error:
            return str(error)
        if not images:
            return "is a folder, and not one of numbered images"
        faults = ((image, self.fault_of(image)) for image in images)
        return next((f"has the image {image.name!r}, which {fault}" for image, fault in faults if fault), None)

    def _follow(self, path: Path) -> tuple[Path, int]:
        for _ in range(MAX_LINKS):
            is_named = path.name not in ("", "..")
            path = self._folder(path.parent) / path.name if is_named else self._folder(path)
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode):
                return path, mode
            path = path.parent / path.readlink()
        raise OSError(f"{path} has more than {MAX_LINKS} links behind it")

    def _folder(self, folder: Path) -> Path:
        if folder not in self._folders:
            self._folders[folder] = folder.resolve()
        return self._folders[folder]
