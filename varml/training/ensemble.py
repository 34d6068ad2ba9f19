"""Which of the ranked recognisers are served together: chosen on out-of-fold predictions, and only where it pays.

Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble Selection from Libraries of Models", 2004.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from varml.data.splits import Positions
from varml.training.loop import Probabilities
from varml.training.out_of_fold import Figures, OutOfFold, figures_of

Weights = dict[int, float]  # rank of a recogniser, best first, to its share; the shares sum to 1


@dataclass(frozen=True)
class Selection:
    """What is served, by rank, with the figures of the best recogniser alone and of an ensemble.

    Both are judged by folds (see :func:`select`); ``ensemble`` is None where none could be judged.
    """

    weights: Weights
    single: Figures
    ensemble: Figures | None


def select(oof: OutOfFold, metric: str, max_members: int) -> Selection:
    """Return the ensemble of at most ``max_members`` of the recognisers of ``oof``, or the best one alone.

    What is chosen and judged on the same videos looks better than it is, an ensemble as well as the best of several
    recognisers. So both are judged by folds: what is chosen on all other folds predicts this one. An ensemble is kept
    only if the figures of its predictions are better. With one fold there are no others, and no ensemble.
    """
    if max_members == 1 or len(oof.positions) < 2:
        return Selection({0: 1.0}, oof.figures(metric, oof.probabilities[0]), None)
    single, ensemble = (oof.figures(metric, _cross_fitted(oof, metric, most)) for most in (1, max_members))
    weights = _greedy(oof, metric, max_members, oof.positions) if ensemble > single else {0: 1.0}
    return Selection(weights, single, ensemble)


def weighted_mean(probabilities: npt.NDArray[np.float32], weights: Weights) -> Probabilities:
    """Return the mean (N, K) of the ``probabilities`` (R, N, K) of the ranks that ``weights`` names."""
    if len(weights) == 1:
        return probabilities[next(iter(weights))]
    return np.sum([share * probabilities[rank] for rank, share in weights.items()], axis=0, dtype=np.float32)


def _cross_fitted(oof: OutOfFold, metric: str, max_members: int) -> Probabilities:
    """Return the predictions (N, K) for each fold of the ensemble that is chosen on the others."""
    predicted = np.full_like(oof.probabilities[0], np.nan)
    for fold in oof.positions:
        others = [other for other in oof.positions if other is not fold]
        predicted[fold] = weighted_mean(oof.probabilities, _greedy(oof, metric, max_members, others))[fold]
    return predicted


def _greedy(oof: OutOfFold, metric: str, max_members: int, folds: list[Positions]) -> Weights:
    """Return the best of the ensembles that grow by one recogniser each, by the one that helps most on ``folds``.

    A recogniser may be taken again, which gives it more weight. Of equal ones the better ranked is taken.
    """
    total = np.zeros(oof.probabilities.shape[1:], dtype=np.float64)
    taken: list[int] = []
    best: tuple[Figures, list[int]] | None = None
    for size in range(1, max_members + 1):
        grown = [
            figures_of(metric, oof.labels, ((total + more) / size).astype(np.float32), folds)
            for more in oof.probabilities
        ]
        chosen = max(range(len(grown)), key=lambda rank: (grown[rank], -rank))
        total += oof.probabilities[chosen]
        taken.append(chosen)
        if best is None or grown[chosen] > best[0]:
            best = grown[chosen], list(taken)
    assert best is not None
    counts = Counter(best[1])
    return {rank: counts[rank] / len(best[1]) for rank in sorted(counts)}
