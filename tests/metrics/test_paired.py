"""Whether two recognisers differ, on the same videos."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varml.metrics.classification import ANSWER_METRICS
from varml.metrics.paired import bootstrap_gains, mcnemar

TOP1 = ANSWER_METRICS["top1"]
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


# The paired bootstrap.


def places(text: str) -> np.ndarray:
    """Return answers of which "r" is the true class 0 and "w" another."""
    return np.array([0 if letter == "r" else 1 for letter in text])


def test_the_mean_gain_of_the_samples_is_the_gain() -> None:
    one, other, labels = places("rrrrrrww"), places("rrrrwwrw"), places("r" * 8)
    gains = bootstrap_gains(TOP1, labels, one, other, num_resamples=4000)
    assert gains.mean() == pytest.approx(1 / 8, abs=0.02)
    # Of N differences of which two are 1, one is -1 and the others are 0: (E[d^2] - E[d]^2) / N.
    assert gains.var() == pytest.approx((3 / 8 - 1 / 64) / 8, rel=0.1)


def test_one_video_more_is_missed_by_the_samples_that_do_not_hold_it() -> None:
    labels, other = places("r" * 20), places("r" * 20)
    gains = bootstrap_gains(TOP1, labels, places("w" + "r" * 19), other, num_resamples=4000)
    assert (gains >= 0).mean() == pytest.approx((1 - 1 / 20) ** 20, abs=0.03)


def test_the_same_videos_are_drawn_for_both() -> None:
    labels, one = places("rrrrwwww"), places("rwrwrwrw")
    for metric in ANSWER_METRICS.values():
        assert not bootstrap_gains(metric, labels, one, one, num_resamples=50).any()


@given(answers)
def test_gains_of_the_one_are_losses_of_the_other(pairs: list[tuple[bool, bool]]) -> None:
    one, other = (np.array(column).astype(np.int64) for column in zip(*pairs, strict=True))
    labels = np.ones(len(one), dtype=np.int64)
    gains = bootstrap_gains(TOP1, labels, one, other, num_resamples=20)
    assert np.array_equal(gains, -bootstrap_gains(TOP1, labels, other, one, num_resamples=20))
