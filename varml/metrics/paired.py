"""Whether two recognisers differ, on the same videos."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest


def mcnemar(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Return the p-value of McNemar's test, 0 to 1: how often two alike would differ so much or more, either way.

    ``one`` and ``other`` (N,) tell which of the same videos each recognised. The exact, binomial form of McNemar, "Note
    on the sampling error of the difference between correlated proportions or percentages", 1947.
    """
    wins, losses = int((one & ~other).sum()), int((other & ~one).sum())
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
