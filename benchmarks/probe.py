"""How well frozen features recognise actions: a probe on every group but one, for each group, inside each set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binomtest, bootstrap
from sklearn.model_selection import LeaveOneGroupOut

from varml.config.views import View
from varml.data.dataset import mean_of_views
from varml.data.mirror_pairs import mirrored_positions
from varml.training.baseline import make_probe

CONFIDENCE = 0.95
VIEWS = (View(), View(mirrored=True))
Means = npt.NDArray[np.float32]  # (N, D): each clip's features, averaged over time and grid
Probabilities = npt.NDArray[np.float64]  # (N, K)


@dataclass(frozen=True)
class Hits:
    """Which clips were recognised, (N,) bool, beside the ``rows`` of their labels, sets and groups."""

    rows: pd.DataFrame
    right: npt.NDArray[np.bool_]

    def accuracy(self, name: str | None = None) -> float:
        """Return the share of right answers in the set ``name``, or in all."""
        return float(self._of(name).mean())

    def interval(self, name: str | None = None) -> tuple[float, float]:
        """Return Wilson's interval around :meth:`accuracy`."""
        right = self._of(name)
        found = binomtest(int(right.sum()), len(right)).proportion_ci(CONFIDENCE, "wilson")
        return float(found.low), float(found.high)

    def gain(self, other: Hits) -> tuple[float, float, float]:
        """Return how much more of all clips this recognises than ``other``, and the interval of that.

        Groups are drawn anew, not clips: those of one group resemble each other. It holds for what differs between
        two ways on these groups, and knows nothing of other data.
        """
        differences = pd.Series(self.right.astype(float) - other.right).groupby(self.rows["group"].to_numpy()).mean()
        drawn = bootstrap((differences,), np.mean, confidence_level=CONFIDENCE, method="percentile", rng=0)
        low, high = drawn.confidence_interval
        return float(differences.mean()), float(low), float(high)

    def _of(self, name: str | None) -> npt.NDArray[np.bool_]:
        return self.right if name is None else self.right[(self.rows["set"] == name).to_numpy()]


def probabilities(rows: pd.DataFrame, views: Sequence[Means]) -> Probabilities:
    """Return the class probabilities of each clip by a probe that saw the other groups of its set.

    ``rows`` has the columns label, set and group. The probe learns from all ``views`` of a clip, as it is and in a
    mirror, and answers with their mean, as the baseline does. Each training must show every class.
    """
    classes = sorted(rows["label"].unique())
    mirror = mirrored_positions(None, classes)
    labels = rows["label"].map(classes.index).to_numpy()
    found = np.zeros((len(rows), len(classes)))
    for name in sorted(rows["set"].unique()):
        chosen = np.flatnonzero(rows["set"] == name)
        for training, testing in LeaveOneGroupOut().split(chosen, groups=rows["group"].iloc[chosen]):
            seen, asked = chosen[training], chosen[testing]
            targets = [labels[seen], np.asarray(mirror)[labels[seen]]][: len(views)]
            probe = make_probe().fit(np.concatenate([view[seen] for view in views]), np.concatenate(targets))
            said = {name: probe.predict_proba(view[asked]) for name, view in zip(VIEWS, views, strict=False)}
            found[asked] = mean_of_views(said, mirror)
    return found


def hits(rows: pd.DataFrame, scores: Probabilities) -> Hits:
    """Return which clips have their own class as the most probable one."""
    classes = np.sort(rows["label"].unique())
    return Hits(rows, classes[scores.argmax(1)] == rows["label"].to_numpy())
