"""Videos that are copies of each other: which they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import DisjointSet

from varml.data.alignment import are_copies
from varml.data.lookalikes import similar_signatures
from varml.data.scan import ScannedFile
from varml.ground.progress import progress
from varml.video.fingerprint import MIRROR, from_text, stretched
from varml.video.probe import VideoInfo

# Frame rates that differ by less are one rate, written with other digits.
RATE_TOLERANCE = 0.01
# One video is not looked for in another that plays it more times as fast.
MAX_RATIO = 4


@dataclass(frozen=True, order=True)
class Pair:
    """Two videos, by path, with the same bytes (exact) or the same pictures for some time (near)."""

    first: str
    second: str
    kind: Literal["exact", "near"]


def find_pairs(files: Sequence[ScannedFile], infos: Mapping[str, VideoInfo]) -> list[Pair]:
    """Return the pairs of copies among ``files``, sorted.

    Of many copies of one video not all pairs are named, but enough that all hang together: a file is paired with the
    first of the same bytes, and what is known to belong together is not compared again.
    """
    firsts: dict[str, str] = {}
    # A file with clips has several rows.
    rows = dict.fromkeys((file.path, file.digest) for file in files)
    exact = [Pair(firsts.setdefault(digest, path), path, "exact") for path, digest in rows]
    near = find_near({path: infos[path] for path in firsts.values()})
    return sorted([pair for pair in exact if pair.first != pair.second] + near)


def find_near(infos: Mapping[str, VideoInfo]) -> list[Pair]:
    """Return the pairs whose fingerprints show copies: re-encoded, resized, mirrored, trimmed, of another rate."""
    # Fingerprints are decoded when they are looked at: those of many videos take gigabytes as numbers.
    paths = [path for path, info in infos.items() if info.fingerprint]
    return _verified(paths, similar_signatures(from_text(infos[path].fingerprint) for path in paths), infos)


def _verified(paths: Sequence[str], candidates: npt.NDArray[np.int64], infos: Mapping[str, VideoInfo]) -> list[Pair]:
    """Return the candidates that are copies, without those that hang together already through others."""
    joined, found = DisjointSet(paths), []
    for low, high, mirrored in progress(candidates.tolist(), len(candidates), "compare", "pair"):
        first, second = sorted((paths[low], paths[high]))
        if not joined.connected(first, second) and _are_copies(infos[first], infos[second], bool(mirrored)):
            joined.merge(first, second)
            found.append(Pair(first, second, "near"))
    return found


def _are_copies(first: VideoInfo, second: VideoInfo, mirrored: bool) -> bool:
    signature, other = from_text(first.fingerprint), from_text(second.fingerprint)
    other = other * MIRROR if mirrored else other
    if are_copies(signature, other):
        return True
    # The same frames may be played at another rate: then the video takes as much longer as its rate is lower.
    ratio = second.fps / first.fps if first.fps else 0.0
    if abs(ratio - 1) <= RATE_TOLERANCE or not 1 / MAX_RATIO <= ratio <= MAX_RATIO:
        return False
    return are_copies(signature, stretched(other, ratio))
