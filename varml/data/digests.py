"""Sizes and digests of videos, computed once for each state of a file and remembered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from varml.errors import DataError
from varml.ground.content_key import file_digest
from varml.ground.memory import Memory
from varml.ground.progress import progress
from varml.video.frame_folder import numbered_images

REMEMBERED_AT_ONCE = 1000


@dataclass(frozen=True)
class _State:
    """A video as the file system shows it without reading it; another content has another key."""

    key: str
    size: int


def sizes_and_digests(paths: Sequence[Path], memory: Memory) -> list[tuple[int, str]]:
    """Return the bytes and the sha256 of each video; 0 and an empty text where there is none.

    The digest of a folder of images is that of the ordered names and digests of the images. Raises DataError where
    something cannot be read.
    """
    states = [_state_of(path) for path in paths]
    known = memory.get(state.key for state in states if state)
    fresh = {state.key: path for state, path in zip(states, paths, strict=True) if state and state.key not in known}
    known |= _digest_all(fresh, memory)
    return [(state.size, str(known[state.key])) if state else (0, "") for state in states]


def _digest_all(fresh: Mapping[str, Path], memory: Memory) -> dict[str, str]:
    digests: dict[str, str] = {}
    unsaved: dict[str, str] = {}
    try:
        for key, path in progress(fresh.items(), len(fresh), "digest"):
            digests[key] = unsaved[key] = _digest_of(path)
            if len(unsaved) >= REMEMBERED_AT_ONCE:
                memory.put(unsaved)
                unsaved = {}
    finally:
        # An interrupt loses none that was computed.
        memory.put(unsaved)
    return digests


def _state_of(path: Path) -> _State | None:
    if not os.path.lexists(path):
        return None
    try:
        images = numbered_images(path)
        states = {image.name: image.stat() for image in images} or {"": path.stat()}
    except OSError as error:
        raise _unreadable(path, error) from error
    # The name as bytes: it need not be UTF-8. The inode and its change tell a file put in another's place.
    times = "|".join(f"{name}{s.st_mtime_ns}|{s.st_ctime_ns}|{s.st_ino}" for name, s in states.items())
    size = sum(state.st_size for state in states.values())
    folder = hashlib.sha256(os.fsencode(times)).hexdigest() if images else times
    return _State(f"{os.fsencode(path).hex()}|{size}|{folder}", size)


def _digest_of(path: Path) -> str:
    try:
        images = numbered_images(path)
        return _digest_of_images(images) if images else file_digest(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _digest_of_images(images: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for image in images:
        whole.update(os.fsencode(image.name) + b"\0" + file_digest(image).encode() + b"\n")
    return whole.hexdigest()


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{str(path)!r} cannot be read ({error.strerror}); give this user the right to, or remove it")
