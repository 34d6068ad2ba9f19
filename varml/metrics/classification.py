"""Figures over class probabilities (N, K) and true class indices (N,)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from sklearn.metrics import f1_score, log_loss, recall_score, top_k_accuracy_score

Labels = npt.NDArray[np.int64]
Scores = npt.NDArray[np.floating]

# From this number of classes on, top-5 says something.
MIN_CLASSES_FOR_TOP5 = 6
# Equal numbers of right answers, spread otherwise over the folds, have means that differ in the last bit.
SCORE_DIGITS = 9


def mean_score(scores: Sequence[float]) -> float:
    """Return the mean of the scores of folds, rounded so that equal means compare as equal."""
    return round(float(np.mean(scores)), SCORE_DIGITS)


def accuracy(labels: Labels, probabilities: Scores) -> float:
    """Return top-1: the share of videos whose most probable class is the true one, 0 to 1."""
    return share_right(labels, probabilities.argmax(1))


def mean_class_accuracy(labels: Labels, probabilities: Scores) -> float:
    """Return the mean over the classes present of each class's own accuracy, 0 to 1."""
    return mean_recall(labels, probabilities.argmax(1))


def macro_f1(labels: Labels, probabilities: Scores) -> float:
    """Return the unweighted mean of the F1 scores of the classes present in either, 0 to 1."""
    return mean_f1(labels, probabilities.argmax(1))


METRICS: dict[str, Callable[[Labels, Scores], float]] = {
    "top1": accuracy,
    "mean_class_accuracy": mean_class_accuracy,
    "macro_f1": macro_f1,
}


def share_right(labels: Labels, answers: Labels) -> float:
    """Return top-1 of ``answers``, the class (N,) that each video is taken for."""
    return float((answers == labels).mean())


def mean_recall(labels: Labels, answers: Labels) -> float:
    """Return what :func:`mean_class_accuracy` does, of ``answers`` (N,)."""
    return float(recall_score(labels, answers, labels=np.unique(labels), average="macro"))


def mean_f1(labels: Labels, answers: Labels) -> float:
    """Return what :func:`macro_f1` does, of ``answers`` (N,)."""
    return float(f1_score(labels, answers, average="macro", zero_division=0))


# The same by the same names, of answers in place of probabilities.
ANSWER_METRICS: dict[str, Callable[[Labels, Labels], float]] = {
    "top1": share_right,
    "mean_class_accuracy": mean_recall,
    "macro_f1": mean_f1,
}


def cross_entropy(labels: Labels, probabilities: Scores) -> float:
    """Return the mean negative log-probability of the true class, in nats."""
    exact = probabilities.astype(np.float64)
    # float32 rows sum to 1 up to rounding, which scikit-learn warns of.
    exact /= exact.sum(axis=1, keepdims=True)
    return float(log_loss(labels, exact, labels=np.arange(exact.shape[1])))


def classification_metrics(labels: Labels, probabilities: Scores) -> dict[str, float]:
    """Return every figure by name; ``top5`` is there from six classes on."""
    figures = {name: metric(labels, probabilities) for name, metric in METRICS.items()}
    num_classes = probabilities.shape[1]
    if num_classes >= MIN_CLASSES_FOR_TOP5:
        every = np.arange(num_classes)
        figures["top5"] = float(top_k_accuracy_score(labels, probabilities, k=5, labels=every))
    return figures


def accuracy_interval(labels: Labels, probabilities: Scores, confidence: float) -> tuple[float, float]:
    """Return the interval that holds the true top-1 with ``confidence``, by Wilson (1927)."""
    num_right = int((probabilities.argmax(1) == labels).sum())
    interval = binomtest(num_right, len(labels)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
