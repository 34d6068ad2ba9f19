"""Splits and folds that keep every group on one side, as scikit-learn's stratified group folds make them."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from varml.errors import DataError

Names = npt.NDArray[np.str_]
Positions = npt.NDArray[np.int64]

MAX_FOLDS = 20
UNGROUPED = "folds mix the videos of a group, because fewer than two groups are left for training"


@dataclass
class Splits:
    """The split of each video, and what the user should know about how it came to be.

    ``num_crossing`` groups stand in several of the splits that the user gave.
    """

    names: Names
    warnings: list[str] = field(default_factory=list)
    num_crossing: int = 0


def make_splits(
    labels: Sequence[str],
    groups: Sequence[str],
    given: Sequence[str],
    *,
    test_fraction: float,
    val_fraction: float,
    seed: int,
    allow_crossing: bool = False,
) -> Splits:
    """Return train, val or test for each video; no group stands on two sides.

    ``given`` holds the splits that the user wrote, or empty strings. Where only val is missing among them, it
    is taken from train. ``allow_crossing`` turns groups that cross them from an error into a warning. With two
    groups one of them is test, and val is taken from the other regardless of groups, with a warning. Raises
    DataError where groups or classes do not allow a split.
    """
    label_array, group_array = np.asarray(labels), np.asarray(groups)
    splits = Splits(np.full(len(label_array), "train", dtype="<U5"))
    if any(given):
        splits.names = np.array(given, dtype="<U5")
        _check_given(splits, group_array, allow_crossing)
    else:
        _need_two_groups(group_array)
        splits.names[hold_out(label_array, group_array, test_fraction, seed)] = "test"
    if "val" not in splits.names:
        _take_val(splits, label_array, group_array, val_fraction / (1 - test_fraction), seed)
    _check_classes(splits, label_array, group_array)
    return splits


def make_folds(labels: Sequence[str], groups: Sequence[str], num_folds: int, seed: int) -> tuple[list[Positions], bool]:
    """Return the validation positions of each fold, and whether the folds keep groups together.

    There are at most as many folds as groups; with one group the folds are stratified by class alone. Raises DataError
    where no class has two videos.
    """
    label_array, group_array = np.asarray(labels), np.asarray(groups)
    num_groups = len(np.unique(group_array))
    grouped = num_groups > 1
    most = max(Counter(labels).values())
    if most < 2:
        raise DataError(f"no folds can be made of {len(labels)} videos of as many classes; add videos of each class")
    limit = min(num_groups if grouped else num_folds, most)
    return _folds(label_array, group_array if grouped else None, max(min(num_folds, limit), 2), seed), grouped


def hold_out(labels: Names, groups: Names | None, fraction: float, seed: int) -> Positions:
    """Return the positions of about ``fraction`` of the videos, whole groups, all classes where possible.

    Where some class would be lost to what is left, and need not be, other groups are held out.
    """
    num_groups = len(labels) if groups is None else len(np.unique(groups))
    num_folds = min(max(round(1 / fraction), 2), num_groups, MAX_FOLDS, max(Counter(labels).values()))
    folds = _folds(labels, groups, max(num_folds, 2), seed)
    best = min(folds, key=lambda fold: _distance(labels, fold, fraction))
    if not _whole_classes(labels, best):
        return best
    spared = _hold_out_sparing(labels, np.arange(len(labels)) if groups is None else groups, fraction, seed)
    return spared if len(spared) else best


def classes_without_training(labels: Sequence[str], folds: list[Positions]) -> list[str]:
    """Return the classes that one of the folds holds whole, so that it is validated by who has never seen them."""
    label_array = np.asarray(labels)
    return sorted(set().union(*(_whole_classes(label_array, fold) for fold in folds)))


def _folds(labels: Names, groups: Names | None, num_folds: int, seed: int) -> list[Positions]:
    alone = groups is None or len(np.unique(groups)) == len(labels)
    # Both give the same kind of folds when each video is its own group; the first takes linear time.
    splitter = (StratifiedKFold if alone else StratifiedGroupKFold)(num_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class smaller than the number of folds is allowed; what it costs is checked on the result.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        return [fold for _, fold in splitter.split(labels, labels, None if alone else groups)]


def _distance(labels: Names, fold: Positions, fraction: float) -> float:
    total, held = Counter(labels.tolist()), Counter(labels[fold].tolist())
    # A class that is held out nowhere weighs more than any difference in size, and one that is lost more than that.
    return sum(abs(held[k] / n - fraction) + 10 * (held[k] == 0) + 1000 * (held[k] == n) for k, n in total.items())


def _whole_classes(labels: Names, fold: Positions) -> set[str]:
    total = Counter(labels.tolist())
    return {name for name, count in Counter(labels[fold].tolist()).items() if count == total[name]}


def _hold_out_sparing(labels: Names, groups: npt.NDArray[Any], fraction: float, seed: int) -> Positions:
    names, numbers = np.unique(groups, return_inverse=True)
    members = np.split(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers))[:-1])
    order = np.random.default_rng(seed).permutation(len(names)).tolist()
    rest, chosen = Counter(labels.tolist()), np.zeros(0, dtype=np.int64)
    # The smallest first: one at least is held out, and the more of them fit the fraction the better.
    for positions in sorted((members[number] for number in order), key=len):
        held = Counter(labels[positions].tolist())
        fits = not len(chosen) or len(chosen) + len(positions) <= fraction * len(labels)
        if fits and all(rest[name] > count for name, count in held.items()):
            rest -= held
            chosen = np.append(chosen, positions)
    return np.sort(chosen)


def _take_val(splits: Splits, labels: Names, groups: Names, fraction: float, seed: int) -> None:
    rest = np.flatnonzero(splits.names == "train")
    grouped = len(np.unique(groups[rest])) > 1
    if not grouped:
        splits.warnings.append(UNGROUPED)
    try:
        chosen = hold_out(labels[rest], groups[rest] if grouped else None, fraction, seed)
    except ValueError as error:
        raise DataError(
            f"no val can be taken from {len(rest)} training videos, because no class has two of them; add videos"
        ) from error
    splits.names[rest[chosen]] = "val"


def _need_two_groups(groups: Names) -> None:
    names = np.unique(groups)
    if len(names) < 2:
        raise DataError(
            f"a test split that shares no group with training needs at least 2 groups, and all videos are in "
            f"{str(names[0])!r}; name more groups, or drop the group column and set ingest.group_from to null"
        )


def _check_given(splits: Splits, groups: Names, allow_crossing: bool) -> None:
    missing = [name for name in ("train", "test") if name not in splits.names]
    if missing:
        raise DataError(f"the column 'split' has no video in {' and '.join(missing)}; name some, or drop the column")
    sides = defaultdict(set)
    for group, split in zip(groups.tolist(), splits.names.tolist(), strict=True):
        sides[group].add(split)
    crossing = sorted(group for group, names in sides.items() if len(names) > 1)
    if not crossing:
        return
    fact = (
        f"group {crossing[0]!r} stands in {' and '.join(sorted(sides[crossing[0]]))} ({len(crossing)} groups cross the "
        "given splits), which makes scores too good"
    )
    if not allow_crossing:
        raise DataError(
            f"{fact}; move its videos to one split, drop the given splits, or set ingest.crossing_groups to allow"
        )
    splits.num_crossing = len(crossing)
    splits.warnings.append(f"{fact}; ingest.crossing_groups allows it")


def _check_classes(splits: Splits, labels: Names, groups: Names) -> None:
    classes = set(labels.tolist())
    for split in ("train", "val", "test"):
        missing = sorted(classes - set(labels[splits.names == split].tolist()))
        if missing and split == "train":
            counted = ", ".join(_counted(name, labels, groups) for name in missing)
            raise DataError(
                f"no video of {counted} is left for training, because its groups are all in val or test, and each of "
                "train, val and test needs a group of its own; add groups that hold this class, or name splits that do"
            )
        if missing:
            splits.warnings.append(f"{split} has no video of {', '.join(map(repr, missing))}")


def _counted(name: str, labels: Names, groups: Names) -> str:
    num_groups = len(np.unique(groups[labels == name]))
    return f"{name!r} ({(labels == name).sum()} videos in {num_groups} group{'s' if num_groups > 1 else ''})"
