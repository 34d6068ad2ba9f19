"""Classes that a mirror swaps: named rightly, suggested by their names, and as positions."""

from __future__ import annotations

import pytest

from varml.data.mirror_pairs import check_mirror_pairs, mirror_warnings, mirrored_positions
from varml.errors import DataError

CLASSES = ["turn", "walk_left", "walk_right", "wave"]
PAIR = ("walk_left", "walk_right")


def test_classes_that_exist_may_be_named():
    check_mirror_pairs([PAIR], CLASSES)
    check_mirror_pairs([], CLASSES)
    check_mirror_pairs(None, CLASSES)


@pytest.mark.parametrize(
    ("name", "hint"), [("walk_lef", r"did you mean 'walk_left'\?"), ("zzz", "there are turn, walk_left, walk_right")]
)
def test_a_class_that_there_is_not_is_refused(name: str, hint: str):
    with pytest.raises(DataError, match=f"data.mirror_pairs names '{name}', and no video has this class; {hint}"):
        check_mirror_pairs([(name, "walk_right")], CLASSES)
    with pytest.raises(DataError, match=hint):
        check_mirror_pairs([("walk_right", name)], CLASSES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("walk_left", "walk_right"),
        ("Walk Left", "Walk Right"),
        ("LeftTurn", "RightTurn"),
        ("left_hand_wave", "right_hand_wave"),
        ("leftwards", "rightwards"),
        ("left to right", "right to left"),
        ("Rolling Hand Backward Left", "Rolling Hand Backward Right"),
        ("rotate_clockwise", "rotate_counterclockwise"),
        ("rotate_clockwise", "rotate_counter_clockwise"),
        ("RotateClockwise", "RotateCounterClockwise"),
        ("rotate clockwise", "rotate anti-clockwise"),
        ("turn-clockwise", "turn-counter"),
        ("spin_cw", "spin_ccw"),
    ],
)
def test_names_that_suggest_a_pair_are_warned_of_once(one: str, other: str):
    (warning,) = mirror_warnings(None, ["wave", other, one])
    assert f"{min(one, other)!r} and {max(one, other)!r} look like mirror images" in warning
    assert f"add [{min(one, other)}, {max(one, other)}] to data.mirror_pairs" in warning
    assert mirror_warnings([], ["wave", other, one]) == []
    assert mirror_warnings([(one, other)], ["wave", other, one]) == []
    assert mirror_warnings([(other, "wave")], ["wave", other, one]) == []


@pytest.mark.parametrize(
    "classes",
    [
        ["walk_left", "wave"],
        ["walk_left", "run_right"],
        ["bright", "light"],
        ["sit_down", "stand_up"],
        ["counter", "anti", "window"],
        ["newcw", "newccw"],
    ],
)
def test_other_names_are_not_warned_of(classes: list[str]):
    assert mirror_warnings(None, classes) == []


def test_a_pair_swaps_two_positions_and_no_other():
    assert mirrored_positions([PAIR], CLASSES) == [0, 2, 1, 3]
    assert mirrored_positions([("walk_right", "walk_left"), ("wave", "turn")], CLASSES) == [3, 2, 1, 0]
    assert mirrored_positions([], CLASSES) == [0, 1, 2, 3]


def test_where_nothing_is_said_the_names_make_the_pairs() -> None:
    assert mirrored_positions(None, CLASSES) == mirrored_positions([PAIR], CLASSES)
    assert mirrored_positions(None, ["bow", "wave"]) == [0, 1]
