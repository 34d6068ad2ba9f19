"""The group and the split of each file, so that neither a group nor two copies stand on two sides."""

from __future__ import annotations

from collections.abc import Sequence

from varml.config.params import Params
from varml.data import copy_rules
from varml.data.duplicates import Pair
from varml.data.groups import group_of
from varml.data.labelled_file import LabelledFile
from varml.data.names import to_text
from varml.data.splits import Splits, make_splits
from varml.errors import DataError


def split_files(files: Sequence[LabelledFile], pairs: Sequence[Pair], params: Params) -> tuple[list[str], Splits]:
    """Return the group of each file, those of copies and of the clips of one file joined, and the splits.

    Raises DataError where no split is possible, and where ``pairs`` of copies stand on two sides of it.
    """
    paths = [file.path for file in files]
    groups = copy_rules.join((), paths, [group_of(file, params.ingest.group_from) for file in files])
    joined = copy_rules.join(pairs, paths, groups)
    given = copy_rules.sides_of(paths, [file.split for file in files])
    copy_rules.refuse_crossing(pairs, given, copy_rules.MOVE_THEM)
    if params.ingest.duplicates == "group":
        _need_two_groups(joined, groups, pairs)
    splits = _splits_of(files, joined if params.ingest.duplicates == "group" else groups, params)
    sides = copy_rules.sides_of(paths, splits.names.tolist())
    if params.ingest.duplicates == "refuse":
        copy_rules.refuse_crossing(pairs, sides, copy_rules.GROUP_THEM)
    splits.warnings += copy_rules.warn_of_parted(pairs, sides)
    splits.warnings += copy_rules.warn_of_labels(pairs, copy_rules.sides_of(paths, [file.label for file in files]))
    # Copies that already stand in one split share a group as well, so that no fold of the search parts them.
    return joined, splits


def _need_two_groups(joined: Sequence[str], groups: Sequence[str], pairs: Sequence[Pair]) -> None:
    if len(set(joined)) == 1 < len(set(groups)):
        raise DataError(
            f"{len(pairs)} pairs of copies, such as '{to_text(pairs[0].first)}' and '{to_text(pairs[0].second)}', join "
            f"all {len(set(groups))} groups into one, and a test split needs another; remove one of each pair, or set "
            "ingest.duplicates to ignore"
        )


def _splits_of(files: Sequence[LabelledFile], groups: list[str], params: Params) -> Splits:
    return make_splits(
        [file.label for file in files],
        groups,
        [file.split for file in files],
        test_fraction=params.ingest.test_fraction,
        val_fraction=params.ingest.val_fraction,
        seed=params.seed,
        allow_crossing=params.ingest.crossing_groups == "allow",
    )
