"""Spearman's rank correlation and its interval."""

from __future__ import annotations

import math

import pytest

from varml.metrics.rank_correlation import rank_correlation


def test_it_is_the_correlation_of_the_ranks() -> None:
    found = rank_correlation([10, 20, 30, 40, 50], [1, 2, 3, 5, 4])
    assert found.spearman == pytest.approx(1 - 6 * 2 / (5 * 24))
    assert found.num == 5


def test_the_interval_is_that_of_bonett_and_wright() -> None:
    found = rank_correlation([1, 2, 3, 4, 5, 6, 7], [2, 1, 3, 4, 5, 7, 6], confidence=0.9)
    rho = 1 - 6 * 4 / (7 * 48)
    reach = 1.6448536 * math.sqrt((1 + rho**2 / 2) / 4)
    assert found.interval == pytest.approx((math.tanh(math.atanh(rho) - reach), math.tanh(math.atanh(rho) + reach)))


def test_more_pairs_of_the_same_agreement_tell_more() -> None:
    few, many = rank_correlation([1, 2, 3, 4, 5], [2, 1, 3, 4, 5]), rank_correlation(range(50), [1, 0, *range(2, 50)])
    assert few.interval is not None
    assert many.interval is not None
    assert few.interval[0] < 0 < many.interval[0]


@pytest.mark.parametrize(
    ("one", "other", "spearman"),
    [([], [], None), ([1], [1], None), ([1, 1, 1], [1, 2, 3], None), ([1, 2, 3], [4, 4, 4], None),
     ([1, 2, 3], [1, 3, 2], 0.5), ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], -1.0)],
)  # fmt: skip
def test_where_there_is_no_correlation_or_no_interval_none_is_said(
    one: list[float], other: list[float], spearman: float | None
) -> None:
    found = rank_correlation(one, other)
    assert found.spearman == (spearman if spearman is None else pytest.approx(spearman))
    assert found.interval is None
