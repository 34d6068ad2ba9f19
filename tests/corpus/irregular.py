"""Names that are no regular files, each of which ends a scan that finds it."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from .kit import Kit
from .record import Entry, Record


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _loop(path: Path) -> None:
    path.symlink_to(f"{path.name}.other")
    path.with_name(f"{path.name}.other").symlink_to(path.name)


def _link_out(path: Path) -> None:
    outside = path.parents[2] / "outside.mp4"
    outside.write_bytes(b"another's")
    path.symlink_to(outside)


def _socket(path: Path) -> None:
    # The name of a socket is short, whatever folder it lies in: it is made through the folder's descriptor.
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def _device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))


def _entry(name: str, make: Callable[[Path], None], reason: str) -> Entry:
    def made(path: Path, kit: Kit) -> None:
        make(path)

    return Entry(Record(name, "irregular", "ends_scan", reason=reason), made)


IRREGULAR = [
    _entry("dangling link.mp4", _link("nowhere.mp4"), "link that leads nowhere"),
    _entry("link loop.mp4", _loop, "link that leads nowhere"),
    _entry("link out.mp4", _link_out, "leads out of the data source"),
    _entry("link to passwords.mp4", _link("/etc/passwd"), "leads out of the data source"),
    _entry("link to zeros.mp4", _link("/dev/zero"), "leads out of the data source"),
    _entry("fifo.mp4", os.mkfifo, "is a FIFO"),
    _entry("socket.mp4", _socket, "is a socket"),
    _entry("device.mp4", _device, "is a device"),
]
