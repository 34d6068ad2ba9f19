"""What copies among the videos mean: they share a group, stand in one split, and have one label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from scipy.cluster.hierarchy import DisjointSet

from varml.data.duplicates import Pair
from varml.data.names import to_text
from varml.errors import DataError

# More pairs than these are counted, and not listed.
MAX_LISTED = 20
NOT_LOOKED_FOR = "copies among the videos were not looked for (ingest.duplicates: ignore); scores may be too good"
GROUP_THEM = "set ingest.duplicates to group (copies then share a group), remove one of each pair, or set it to ignore"
MOVE_THEM = "move one of each pair to the other's split, remove it, or set ingest.duplicates to ignore"

# By path: its split or its label, or several where its clips have several.
Sides = Mapping[str, AbstractSet[str]]


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


def _placed(path: str, sides: Sides) -> str:
    return f"'{to_text(path)}' ({', '.join(sorted(sides[path]))})"


def _counted(pairs: Sequence[Pair]) -> str:
    return f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'}"
