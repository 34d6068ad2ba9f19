"""How far two ways to judge the same things put them into the same order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, spearmanr

CONFIDENCE = 0.95
# The standard error has n - 3 below the line.
MIN_FOR_INTERVAL = 4


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation of ``num`` pairs, -1 to 1, and the interval that holds the true one.

    ``spearman`` is None where it is not defined: for less than two pairs, or where all of one side are equal.
    ``interval`` is None for less than four pairs, and where the orders are the same or reversed, of which the formula
    knows no error.
    """

    spearman: float | None
    interval: tuple[float, float] | None
    num: int


def rank_correlation(one: Sequence[float], other: Sequence[float], confidence: float = CONFIDENCE) -> RankCorrelation:
    """Return Spearman's correlation of the pairs that ``one`` and ``other`` make, of equal lengths.

    The interval is Fisher's on z = artanh(rho), with the standard error sqrt((1 + rho^2 / 2) / (n - 3)) of Bonett and
    Wright, "Sample size requirements for estimating Pearson, Kendall and Spearman correlations", Psychometrika 65,
    2000.
    """
    num = len(one)
    if num < 2 or len(set(one)) < 2 or len(set(other)) < 2:
        return RankCorrelation(None, None, num)
    rho = float(spearmanr(one, other).statistic)
    if num < MIN_FOR_INTERVAL or np.isclose(abs(rho), 1):
        return RankCorrelation(rho, None, num)
    reach = float(norm.ppf((1 + confidence) / 2)) * math.sqrt((1 + rho**2 / 2) / (num - 3))
    low, high = (math.tanh(math.atanh(rho) + sign * reach) for sign in (-1, 1))
    return RankCorrelation(rho, (low, high), num)
