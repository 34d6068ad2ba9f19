"""Answers that may be withheld: how many videos are answered, and how many of the answers are right.

El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", 2010; Geifman and El-Yaniv, "Selective
Classification for Deep Neural Networks", 2017, arXiv:1705.08500.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from varml.metrics.classification import Labels, Scores


def coverage_curve(labels: Labels, probabilities: Scores) -> pd.DataFrame:
    """Return a row for each confidence that occurs in ``probabilities`` (N, K), the highest first.

    ``threshold`` is the confidence, ``coverage`` the share of videos at or above it, ``top1`` the share of them whose
    most probable class is the true one.
    """
    confidence = probabilities.max(1)
    order = np.argsort(-confidence, kind="stable")
    right = (probabilities.argmax(1) == labels)[order]
    answered = np.arange(1, len(labels) + 1)
    curve = pd.DataFrame(
        {"threshold": confidence[order], "coverage": answered / len(labels), "top1": right.cumsum() / answered}
    )
    # Videos of one confidence are answered together or not at all.
    return curve.drop_duplicates("threshold", keep="last", ignore_index=True)


def selective_metrics(labels: Labels, probabilities: Scores, answered: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return ``coverage``, the share of videos that are ``answered`` (N,), and ``selective_top1`` of these, if any."""
    right = probabilities.argmax(1) == labels
    figures = {"coverage": float(answered.mean())}
    return figures | ({"selective_top1": float(right[answered].mean())} if answered.any() else {})


def threshold_for(labels: Labels, probabilities: Scores, min_precision: float) -> float:
    """Return the lowest confidence at or above which at least ``min_precision`` of the answers are right.

    Where no confidence reaches that, return the one above which most are right, of several the lowest.
    """
    curve = coverage_curve(labels, probabilities)
    wanted = min(min_precision, curve["top1"].max())
    return float(curve.loc[curve["top1"] >= wanted, "threshold"].iloc[-1])
