"""A video as a folder of numbered images: which they are, and in what order."""

from __future__ import annotations

import os
import re
from pathlib import Path

from varml.errors import VideoError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_IMAGE = re.compile(
    rf"(?P<prefix>.*?)(?P<number>[0-9]+)(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})", re.IGNORECASE | re.DOTALL
)


def numbered_images(folder: Path) -> list[Path]:
    """Return the images of a folder in the order of their numbers, or none where it is no folder of that kind.

    Such a folder holds images whose names are one prefix and a number, as ``img_00001.jpg``, and nothing else but
    hidden files. Numbers may have gaps. Raises VideoError where two images have one number, or nothing can be listed.
    """
    if not folder.is_dir():
        return []
    names = _image_names(folder)
    matches = [_IMAGE.fullmatch(name) for name in names]
    if not all(matches) or len({match["prefix"] for match in matches if match}) != 1:
        return []
    by_number: dict[int, str] = {}
    for match in filter(None, matches):
        other = by_number.setdefault(int(match["number"]), match[0])
        if other != match[0]:
            one, two = sorted([other, match[0]])
            raise VideoError(f"has two images of the number {int(match['number'])}: {one!r} and {two!r}; remove one")
    return [folder / by_number[number] for number in sorted(by_number)]


def size_bytes(video: Path) -> int:
    """Return the size of a video file, or of all images of a folder."""
    return sum(image.stat().st_size for image in numbered_images(video)) if video.is_dir() else video.stat().st_size


def _image_names(folder: Path) -> list[str]:
    # Nothing where there is a sub-folder: a folder of folders is no video.
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
            return [] if any(entry.is_dir() for entry in shown) else [entry.name for entry in shown]
    except OSError as error:
        raise VideoError(f"cannot be read: {error.strerror}") from error
