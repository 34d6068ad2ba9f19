"""Videos that are copies of each other: which they are, and what follows from it for groups and splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import DisjointSet

from varml.data.alignment import are_copies
from varml.data.lookalikes import similar_signatures
from varml.data.names import to_text
from varml.data.scan import ScannedFile
from varml.errors import DataError
from varml.ground.progress import progress
from varml.video.fingerprint import MIRROR, from_text, stretched
from varml.video.probe import VideoInfo

# More pairs than these are counted, and not listed.
MAX_LISTED = 20
MAX_IN_CARD = 1000
# Frame rates that differ by less are one rate, written with other digits.
RATE_TOLERANCE = 0.01
# One video is not looked for in another that plays it more times as fast.
MAX_RATIO = 4
NOT_LOOKED_FOR = "copies among the videos were not looked for (ingest.duplicates: ignore); scores may be too good"
GROUP_THEM = "set ingest.duplicates to group (copies then share a group), remove one of each pair, or set it to ignore"
MOVE_THEM = "move one of each pair to the other's split, remove it, or set ingest.duplicates to ignore"

# By path: its split or its label, or several where its clips have several.
Sides = Mapping[str, AbstractSet[str]]


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


def join(pairs: Iterable[Pair], paths: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Return the groups of ``paths`` with those joined that hold copies, or clips of one path."""
    joined = DisjointSet(groups)
    group_of: dict[str, str] = {}
    for path, group in zip(paths, groups, strict=True):
        joined.merge(group_of.setdefault(path, group), group)
    for pair in pairs:
        joined.merge(group_of[pair.first], group_of[pair.second])
    return [str(joined[group]) for group in groups]


def sides_of(paths: Sequence[str], names: Sequence[str]) -> Sides:
    """Return the names, of splits or of labels, under which each path stands."""
    sides: dict[str, set[str]] = {}
    for path, name in zip(paths, names, strict=True):
        sides.setdefault(path, set()).add(name)
    return sides


def cross_pairs(pairs: Iterable[Pair], sides: Sides) -> list[Pair]:
    """Return the pairs that stand on two sides."""
    return [pair for pair in pairs if len(sides[pair.first] | sides[pair.second]) > 1]


def refuse_crossing(pairs: Iterable[Pair], sides: Sides, remedy: str) -> None:
    """Raise DataError where copies stand on two sides of the splits; ``remedy`` ends the message."""
    crossing = cross_pairs(pairs, sides)
    if not crossing:
        return
    lines = [f"  {_placed(p.first, sides)} and {_placed(p.second, sides)}: {p.kind}" for p in crossing[:MAX_LISTED]]
    more = [f"  and {len(crossing) - MAX_LISTED} more"] if len(crossing) > MAX_LISTED else []
    raise DataError(
        f"{_counted(crossing)} of videos are copies of each other and stand on two sides of the splits, which makes "
        f"scores too good; {remedy}:\n" + "\n".join(lines + more)
    )


def warn_of_parted(pairs: Iterable[Pair], sides: Sides) -> list[str]:
    """Return a warning where copies stand on two sides although their group should keep them together."""
    parted = cross_pairs(pairs, sides)
    return [f"{_counted(parted)} of copies stand in train and val, which mix the videos of a group"] if parted else []


def warn_of_labels(pairs: Iterable[Pair], labels: Sides) -> list[str]:
    """Return a warning where copies have no label in common."""
    differing = [pair for pair in pairs if not labels[pair.first] & labels[pair.second]]
    if not differing:
        return []
    example = " and ".join(_placed(path, labels) for path in (differing[0].first, differing[0].second))
    return [f"{_counted(differing)} of copies have two labels, such as {example}; mend them or remove one of each pair"]


def card_of(pairs: Sequence[Pair] | None) -> dict[str, Any]:
    """Return what the data card says of copies; None stands for not looked for."""
    if pairs is None:
        return {"num_duplicates": None, "duplicates": []}
    return {"num_duplicates": len(pairs), "duplicates": [_row(pair) for pair in pairs[:MAX_IN_CARD]]}


def _row(pair: Pair) -> dict[str, str]:
    return {"first": to_text(pair.first), "second": to_text(pair.second), "kind": pair.kind}


def _placed(path: str, sides: Sides) -> str:
    return f"'{to_text(path)}' ({', '.join(sorted(sides[path]))})"


def _counted(pairs: Sequence[Pair]) -> str:
    return f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'}"


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
