"""The boxes of an MP4 file: changed, dropped, and sample tables written anew."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

HEADER_BYTES = 8


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each box."""
    place = 0
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        assert size >= HEADER_BYTES, f"{kind!r} has a size of {size}, which these files do not use"
        yield kind, data[place + HEADER_BYTES : place + size]
        place += size


def box(kind: bytes, content: bytes) -> bytes:
    """Return a box."""
    return struct.pack(">I4s", HEADER_BYTES + len(content), kind) + content


def without(data: bytes, *kinds: bytes) -> bytes:
    """Return ``data`` without its outermost boxes of some kinds."""
    return b"".join(box(kind, content) for kind, content in boxes(data) if kind not in kinds)


def change(data: bytes, path: str, how: Callable[[bytes], bytes]) -> bytes:
    """Return ``data`` with the content of each box at ``path``, as in ``moov/trak/mdia``, changed by ``how``.

    Where the length changes, the media must lie before the box: offsets to it are not moved.
    """
    name, _, rest = path.partition("/")
    parts = []
    for kind, content in boxes(data):
        if kind == name.encode():
            content = change(content, rest, how) if rest else how(content)
        parts.append(box(kind, content))
    return b"".join(parts)


def patched(place: int, value: bytes) -> Callable[[bytes], bytes]:
    """Return a change that puts ``value`` at ``place`` of a content."""
    return lambda content: content[:place] + value + content[place + len(value) :]


def content_of(data: bytes, path: str) -> bytes:
    """Return the content of the first box at ``path``."""
    found: list[bytes] = []
    change(data, path, lambda content: found.append(content) or content)  # type: ignore[func-returns-value]
    return found[0]


def table(*numbers: int) -> bytes:
    """Return a full box's content: no flags, then 32-bit numbers."""
    return struct.pack(f">{len(numbers) + 1}I", 0, *numbers)


def repeated(data: bytes, num_samples: int, ticks: int) -> bytes:
    """Return an all-intra MP4 whose tables show its samples again and again, ``num_samples`` times in all.

    The file grows by eight bytes a frame, whatever a frame holds.
    """
    stbl = "moov/trak/mdia/minf/stbl"
    sizes = _sizes(content_of(data, f"{stbl}/stsz"))
    (start,) = struct.unpack_from(">I", content_of(data, f"{stbl}/stco"), 8)
    offsets = [start + offset for offset in [0, *accumulate(sizes)][:-1]]
    samples = [number % len(sizes) for number in range(num_samples)]
    new = {
        b"stsd": content_of(data, f"{stbl}/stsd"),
        b"stts": table(1, num_samples, ticks),
        b"stsc": table(1, 1, 1, 1),
        b"stsz": table(0, num_samples, *(sizes[number] for number in samples)),
        b"stco": table(num_samples, *(offsets[number] for number in samples)),
    }
    tables = b"".join(box(kind, content) for kind, content in new.items())
    # An edit list would cut the film to its old length.
    return change(change(data, stbl, lambda _: tables), "moov/trak", lambda trak: without(trak, b"edts"))


def _sizes(stsz: bytes) -> Sequence[int]:
    same, count = struct.unpack_from(">II", stsz, 4)
    return [same] * count if same else struct.unpack_from(f">{count}I", stsz, 12)
