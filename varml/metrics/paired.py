"""Whether two recognisers differ, on the same videos."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from varml.metrics.classification import Labels

NUM_RESAMPLES = 1000


def mcnemar(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Return the p-value of McNemar's test, 0 to 1: how often two alike would differ so much or more, either way.

    ``one`` and ``other`` (N,) tell which of the same videos each recognised. The exact, binomial form of McNemar, "Note
    on the sampling error of the difference between correlated proportions or percentages", 1947.
    """
    wins, losses = int((one & ~other).sum()), int((other & ~one).sum())
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def bootstrap_gains(
    metric: Callable[[Labels, Labels], float],
    labels: Labels,
    one: Labels,
    other: Labels,
    num_resamples: int = NUM_RESAMPLES,
) -> npt.NDArray[np.float64]:
    """Return how much larger ``metric`` is for ``one`` than for ``other`` in samples of the same videos, (R,).

    ``labels``, ``one`` and ``other`` (N,) are true classes and those that each recognised; N videos are drawn with
    replacement each time, the same for both, and the draws are the same for equal N. The paired bootstrap: Efron and
    Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 8.
    """
    rng, num_videos = np.random.default_rng(0), len(labels)
    # Not scipy.stats.bootstrap, which refuses a single video.
    samples = (rng.integers(num_videos, size=num_videos) for _ in range(num_resamples))
    return np.asarray([metric(labels[s], one[s]) - metric(labels[s], other[s]) for s in samples])
