"""What is known of each file of the corpus: its kind, what must become of it, and what it truly shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .barcode import Image, read_barcode

if TYPE_CHECKING:
    from .kit import Kit

# accept: in the manifest with its true frames. refuse: in quarantine with a true reason. either: one of the two,
# for files that another player shows in part or not at all. ends_scan: no regular file; scan ends with its name.
Expectation = Literal["accept", "refuse", "either", "ends_scan"]
Kind = Literal["good", "odd name", "damaged", "hostile", "irregular"]


@dataclass(frozen=True)
class Record:
    """One file. ``barcodes`` and ``times_sec`` are those of its frames in order of presentation.

    Without ``times_sec`` the barcodes are those that may be shown, such as after damage, and without barcodes
    nothing is known of the frames. ``slack_sec`` is how far times may be off, as the container rounds them.
    ``reason`` is a regular expression that the reason of a refused file must match.
    """

    name: str
    kind: Kind
    expectation: Expectation
    barcodes: tuple[int, ...] = ()
    times_sec: tuple[float, ...] = ()
    slack_sec: float = 0.0
    reason: str = "."
    notes: str = ""
    read: Callable[[Image], int | None] = read_barcode


@dataclass(frozen=True)
class Entry:
    """A record and how its file is made; ``make`` gets the path and what all makers share."""

    record: Record
    make: Callable[[Path, Kit], None]


def even_times(num_frames: int, fps: float) -> tuple[float, ...]:
    """Return the presentation times of a constant rate."""
    return tuple(index / fps for index in range(num_frames))
