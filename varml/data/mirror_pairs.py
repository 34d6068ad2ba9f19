"""Pairs of classes that a mirror turns into each other, such as walking left and walking right."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from varml.errors import DataError
from varml.ground.registry import nearest_name

# None: nothing is said about them, and names decide; an empty list: there are none.
Pairs = Sequence[tuple[str, str]] | None

# Names are compared as words in lower case, with turns in their short forms.
_SHORT = {r"\b(?:counter|anti) ?(?:clock ?wise)?\b": "ccw", r"\bclock ?wise\b": "cw"}
_SWAPS = {"left": "right", "right": "left", "cw": "ccw", "ccw": "cw"}
_SIDES = re.compile(r"left|right|\bcw\b|\bccw\b")


def check_mirror_pairs(pairs: Pairs, classes: Collection[str]) -> None:
    """Raise DataError where ``data.mirror_pairs`` names a class that there is not."""
    for name in (name for pair in pairs or () for name in pair):
        if name not in classes:
            near = nearest_name(name, sorted(classes))
            hint = f"; did you mean {near!r}?" if near else f"; there are {', '.join(sorted(classes))}"
            raise DataError(f"data.mirror_pairs names {name!r}, and no video has this class{hint}")


def mirror_warnings(pairs: Pairs, classes: Collection[str]) -> list[str]:
    """Return a warning for each two classes whose names suggest a pair, where ``pairs`` speaks of neither."""
    named = {name for pair in pairs or () for name in pair}
    said = pairs is not None and not named
    return [
        f"{one!r} and {other!r} look like mirror images of each other, and {_taken(pairs)}; if they are, add "
        f"[{one}, {other}] to data.mirror_pairs, so that a flip swaps them; if no classes are, set it to []"
        for one, other in _suggested(classes)
        if not said and not named & {one, other}
    ]


def mirrored_positions(pairs: Pairs, classes: Sequence[str]) -> list[int]:
    """Return for each of ``classes`` the position of the class that it becomes in a mirror, mostly its own.

    Where nothing is said of ``pairs``, names such as walk_left and walk_right make them: to show the one as the other
    would teach the opposite.
    """
    pairs = _suggested(classes) if pairs is None else pairs
    mirrored = {**dict(pairs), **{other: one for one, other in pairs}}
    return [classes.index(mirrored.get(name, name)) for name in classes]


def _taken(pairs: Pairs) -> str:
    return "are taken for such, by their names alone" if pairs is None else "data.mirror_pairs does not name them"


def _suggested(classes: Collection[str]) -> list[tuple[str, str]]:
    by_words = {_words(name): name for name in sorted(classes)}
    swapped = {name: by_words.get(_SIDES.sub(lambda side: _SWAPS[side[0]], words)) for words, name in by_words.items()}
    return sorted((one, other) for one, other in swapped.items() if other is not None and one < other)


def _words(name: str) -> str:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = re.sub(r"[\W_]+", " ", apart).strip().lower()
    for long, short in _SHORT.items():
        words = re.sub(long, short, words)
    return words
