"""Progress of long loops: a bar with ETA in a terminal, plain lines elsewhere (CI, log files)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")

PLAIN_INTERVAL_SEC = 10.0


class _PlainLines:
    """A stream for tqdm that ends each report with a newline instead of drawing over the last one."""

    def write(self, text: str) -> None:
        if text.strip():
            sys.stderr.write(text.strip("\r\n") + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def progress(iterable: Iterable[T], total: int, label: str, unit: str = "video") -> Iterator[T]:
    """Yield from ``iterable`` and report how far it is, how fast it goes and when it ends; it counts in ``unit``."""
    terminal = sys.stderr.isatty()
    options: dict[str, Any] = {} if terminal else {"file": _PlainLines(), "mininterval": PLAIN_INTERVAL_SEC}
    yield from tqdm(iterable, total=total, desc=label, unit=unit, ncols=90, disable=total == 0, **options)
