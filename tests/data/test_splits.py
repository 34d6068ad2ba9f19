"""No group stands on two sides, whatever the labels and groups are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from varml.data.splits import UNGROUPED, Splits, classes_without_training, hold_out, make_folds, make_splits
from varml.errors import DataError

FRACTIONS = {"test_fraction": 0.2, "val_fraction": 0.2}


def split(labels: list[str], groups: list[str], given: list[str] | None = None, seed: int = 0, **how: Any) -> Splits:
    return make_splits(labels, groups, given or [""] * len(labels), seed=seed, **{**FRACTIONS, **how})


def balanced(num_groups: int, per_class: int = 1, classes: str = "ab") -> tuple[list[str], list[str]]:
    """Return the labels and groups of some persons who do each action so many times."""
    cells = [(label, f"p{group}") for group in range(num_groups) for label in classes for _ in range(per_class)]
    labels, groups = zip(*cells, strict=True)
    return list(labels), list(groups)


@st.composite
def data_sets(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Draw labels and groups of videos: 2 to 4 classes of at least 3 videos, 2 to 9 groups."""
    num_groups = draw(st.integers(2, 9))
    labels: list[str] = []
    for name in "abcd"[: draw(st.integers(2, 4))]:
        labels += [name] * draw(st.integers(3, 12))
    groups = draw(st.lists(st.integers(0, num_groups - 1), min_size=len(labels), max_size=len(labels)))
    return labels, [f"g{group}" for group in groups]


def sides_of_groups(groups: list[str], names: np.ndarray) -> dict[str, set[str]]:
    return {group: {str(n) for n, g in zip(names, groups, strict=True) if g == group} for group in set(groups)}


@settings(max_examples=150)
@given(data_sets(), st.integers(0, 1000), st.floats(0.05, 0.5), st.floats(0.05, 0.4))
def test_splits_keep_groups_together(
    data: tuple[list[str], list[str]], seed: int, test_fraction: float, val_fraction: float
):
    labels, groups = data
    how = {"seed": seed, "test_fraction": test_fraction, "val_fraction": val_fraction}
    try:
        made = split(labels, groups, **how)
    except DataError:
        assume(False)
    assert len(made.names) == len(labels)
    assert set(made.names) == {"train", "val", "test"}
    sides = sides_of_groups(groups, made.names)
    if UNGROUPED in made.warnings:
        assert sum("test" not in side for side in sides.values()) == 1
        assert all(side == {"test"} or side == {"train", "val"} for side in sides.values())
    else:
        assert all(len(side) == 1 for side in sides.values())
    assert set(np.asarray(labels)[made.names == "train"]) == set(labels), "each class is left for training"
    for name in ("val", "test"):
        missing = sorted(set(labels) - set(np.asarray(labels)[made.names == name].tolist()))
        warned = [w for w in made.warnings if w.startswith(f"{name} has no video of")]
        assert bool(missing) == bool(warned)
        assert all(repr(label) in warned[0] for label in missing)
    again = split(labels, groups, **how)
    np.testing.assert_array_equal(again.names, made.names)
    assert again.warnings == made.warnings


@settings(max_examples=150)
@given(data_sets(), st.integers(0, 1000), st.floats(0.05, 0.5))
def test_no_class_is_lost_to_training_where_a_group_can_be_spared(
    data: tuple[list[str], list[str]], seed: int, fraction: float
):
    labels, groups = map(np.asarray, data)
    assume(len(set(groups)) > 1)
    held = hold_out(labels, groups, fraction, seed)
    rest = np.setdiff1d(np.arange(len(labels)), held)
    can_be_spared = any(set(labels[groups != group]) == set(labels) for group in set(groups))
    assert len(held)
    assert not set(groups[held]) & set(groups[rest])
    assert can_be_spared == (set(labels[rest]) == set(labels))


@settings(max_examples=150)
@given(data_sets(), st.integers(2, 10), st.integers(0, 1000))
def test_folds_hold_each_video_once_and_keep_groups_together(
    data: tuple[list[str], list[str]], num_folds: int, seed: int
):
    labels, groups = data
    folds, grouped = make_folds(labels, groups, num_folds, seed)
    assert grouped == (len(set(groups)) > 1)
    assert 2 <= len(folds) <= num_folds
    assert sorted(np.concatenate(folds).tolist()) == list(range(len(labels)))
    if grouped:
        assert len(folds) <= len(set(groups))
        fold_of = {int(position): number for number, fold in enumerate(folds) for position in fold}
        assert all(
            len({fold_of[position] for position, name in enumerate(groups) if name == group}) == 1
            for group in set(groups)
        )
    again, _ = make_folds(labels, groups, num_folds, seed)
    assert [fold.tolist() for fold in again] == [fold.tolist() for fold in folds]


def test_ten_equal_persons_are_split_6_2_2_with_all_classes_everywhere():
    labels, groups = balanced(10, per_class=2, classes="abc")
    made = split(labels, groups)
    assert made.warnings == []
    persons = {name: {g for g, n in zip(groups, made.names, strict=True) if n == name} for name in set(made.names)}
    assert {name: len(found) for name, found in persons.items()} == {"train": 6, "val": 2, "test": 2}
    for name in ("train", "val", "test"):
        assert set(np.asarray(labels)[made.names == name]) == set("abc")


def test_other_seeds_give_other_splits():
    labels, groups = balanced(10, per_class=2)
    assert len({split(labels, groups, seed=seed).names.tobytes() for seed in range(8)}) > 1


def test_videos_that_are_groups_of_their_own_are_stratified():
    labels = ["a"] * 20 + ["b"] * 10
    made = split(labels, [str(n) for n in range(30)])
    assert made.warnings == []
    counts = Counter(zip(labels, made.names.tolist(), strict=True))
    assert (counts["a", "test"], counts["b", "test"]) == (4, 2)
    # A fifth of all, a quarter of what is left: 4 and 2.
    assert (counts["a", "val"], counts["b", "val"]) == (4, 2)


def test_of_two_groups_one_is_test_and_val_is_taken_from_the_other_with_a_warning():
    labels, groups = balanced(2, per_class=6)
    made = split(labels, groups)
    assert made.warnings == [UNGROUPED]
    sides = sides_of_groups(groups, made.names)
    assert sorted(map(sorted, sides.values())) == [["test"], ["train", "val"]]


def test_one_group_cannot_be_split():
    labels, groups = balanced(1, per_class=6)
    with pytest.raises(DataError, match=r"needs at least 2 groups, and all videos are in .*p0"):
        split(labels, groups)


def test_a_class_of_one_group_cannot_be_trained_and_tested():
    # Two groups, each with a class that the other lacks: one of them is lost to training.
    labels = ["a"] * 5 + ["b"] * 5
    groups = ["p"] * 5 + ["q"] * 5
    with pytest.raises(DataError, match="is left for training, because its groups are all in val or test"):
        split(labels, groups)


def test_an_error_of_a_lost_class_has_its_numbers():
    # Of three groups each class lacks one, and train, val and test take one group each.
    labels = ["x"] * 4 + ["y"] * 5 + ["z"] * 2
    groups = ["p0", "p0", "p1", "p1", "p1", "p2", "p1", "p2", "p2", "p0", "p2"]
    with pytest.raises(
        DataError, match=r"no video of '.' \(. videos in 2 groups\) is left for training, because .* each"
    ):
        split(labels, groups)


def test_many_classes_of_one_group_stay_in_training():
    # Every fold would take some of them whole; a fifth of the other groups is held out instead.
    labels = [f"rare{n}" for n in range(20) for _ in range(3)] + ["a", "b"] * 20
    groups = [f"r{n}" for n in range(20) for _ in range(3)] + [f"p{n // 2}" for n in range(40)]
    made = split(labels, groups)
    names = np.asarray(made.names)
    assert set(names[:60]) == {"train"}
    assert (names[60:] == "test").sum() == 20
    assert (names[60:] == "val").sum() > 0
    assert any(warning.startswith("test has no video of 'rare0'") for warning in made.warnings)


def test_folds_need_a_class_of_two_videos():
    with pytest.raises(DataError, match=r"no folds can be made of 3 videos of as many classes; add videos of each"):
        make_folds(["a", "b", "c"], ["p0", "p1", "p2"], 4, 0)


def test_a_class_that_one_fold_holds_whole_is_named():
    labels = ["a", "a", "b", "b", "c"]
    folds = [np.array([0, 2]), np.array([1, 3, 4])]
    assert classes_without_training(labels, folds) == ["c"]
    assert classes_without_training(labels, [np.array([0, 1]), np.array([2, 3])]) == ["a", "b"]


def test_a_class_that_the_test_split_lacks_is_told():
    labels = ["a", "b"] * 6 + ["rare"] * 3
    groups = [f"p{n // 2}" for n in range(12)] + ["p0"] * 3
    made = split(labels, groups)
    told = " ".join(made.warnings)
    assert "has no video of 'rare'" in told
    assert "train has" not in told


def test_given_splits_are_taken_as_they_are():
    labels, groups = balanced(3, per_class=2)
    given = [{"p0": "train", "p1": "val", "p2": "test"}[group] for group in groups]
    made = split(labels, groups, given)
    assert made.names.tolist() == given
    assert made.warnings == []


def test_a_group_that_crosses_the_given_splits_is_refused():
    labels, groups = balanced(3, per_class=2)
    given = [{"p0": "train", "p1": "val", "p2": "test"}[group] for group in groups]
    given[0] = "test"
    with pytest.raises(DataError, match=r"group 'p0' stands in test and train \(1 groups cross the given splits\)"):
        split(labels, groups, given)


def test_a_group_that_crosses_the_given_splits_may_be_allowed_with_a_warning():
    labels, groups = balanced(3, per_class=2)
    given = [{"p0": "train", "p1": "val", "p2": "test"}[group] for group in groups]
    given[0] = "test"
    made = split(labels, groups, given, allow_crossing=True)
    assert made.names.tolist() == given
    assert made.num_crossing == 1
    (warning,) = made.warnings
    assert warning.startswith("group 'p0' stands in test and train (1 groups cross the given splits), which makes")
    assert warning.endswith("ingest.crossing_groups allows it")


def test_allowing_what_does_not_happen_changes_nothing():
    labels, groups = balanced(3, per_class=2)
    given = [{"p0": "train", "p1": "val", "p2": "test"}[group] for group in groups]
    made = split(labels, groups, given, allow_crossing=True)
    assert (made.warnings, made.num_crossing) == ([], 0)


@pytest.mark.parametrize(("present", "missing"), [("train", "test"), ("test", "train"), ("val", "train and test")])
def test_given_splits_without_train_or_test_are_refused(present: str, missing: str):
    labels, groups = balanced(3)
    with pytest.raises(DataError, match=f"the column 'split' has no video in {missing}; name some, or drop"):
        split(labels, groups, [present] * len(labels))


def test_val_is_taken_from_train_where_it_alone_is_missing():
    labels, groups = balanced(6, per_class=2)
    given = ["test" if group == "p5" else "train" for group in groups]
    made = split(labels, groups, given)
    assert made.warnings == []
    test = np.asarray(given) == "test"
    assert (made.names[test] == "test").all()
    assert set(made.names[~test]) == {"train", "val"}
    assert all(len(side) == 1 for side in sides_of_groups(groups, made.names).values())


@pytest.mark.parametrize(("num_folds", "expected"), [(2, 2), (4, 4), (10, 6)])
def test_there_are_no_more_folds_than_groups(num_folds: int, expected: int):
    labels, groups = balanced(6)
    folds, grouped = make_folds(labels, groups, num_folds, 0)
    assert grouped
    assert len(folds) == expected


def test_folds_of_one_group_are_stratified_by_class():
    labels, groups = balanced(1, per_class=8)
    folds, grouped = make_folds(labels, groups, 4, 0)
    assert not grouped
    assert [Counter(np.asarray(labels)[fold].tolist()) for fold in folds] == [{"a": 2, "b": 2}] * 4


@pytest.mark.parametrize(("fraction", "held"), [(0.1, 1), (0.2, 2), (0.5, 5)])
def test_hold_out_takes_the_fraction_in_whole_groups(fraction: float, held: int):
    labels, groups = map(np.asarray, balanced(10, per_class=3))
    positions = hold_out(labels, groups, fraction, 0)
    assert len(positions) == held * 6
    assert len(set(groups[positions])) == held
