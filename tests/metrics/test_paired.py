"""Whether two recognisers differ, on the same videos."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varml.metrics.paired import mcnemar

answers = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


def right(text: str) -> np.ndarray:
    return np.array([letter == "r" for letter in text])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("rrrr", "rrrr", 1),
        ("rrww", "wwrr", 1),
        ("rrrrrw", "wwwwww", 2 / 2**5),  # five heads in five throws, or five tails
        ("rrrw", "wwwr", 2 * 5 / 2**4),  # 3 or more of one kind in four throws
    ],
)
def test_values_that_can_be_computed_by_hand(one: str, other: str, expected: float) -> None:
    assert mcnemar(right(one), right(other)) == pytest.approx(expected)


@given(answers)
def test_the_two_may_change_places_and_videos_that_both_know_say_nothing(pairs: list[tuple[bool, bool]]) -> None:
    one, other = (np.array(column) for column in zip(*pairs, strict=True))
    chance = mcnemar(one, other)
    assert 0 < chance <= 1
    assert mcnemar(other, one) == pytest.approx(chance)
    both = np.ones(7, dtype=bool)
    assert mcnemar(np.append(one, both), np.append(other, both)) == chance
