"""Whether probabilities keep what they promise: of the answers given with 0.8, eight in ten should be right."""

from __future__ import annotations

import numpy as np

from varml.metrics.classification import Labels, Scores

NUM_BINS = 15


def expected_calibration_error(labels: Labels, probabilities: Scores, num_bins: int = NUM_BINS) -> float:
    """Return the mean gap between confidence and accuracy, 0 to 1, weighted by how many videos a bin holds.

    Confidence is the probability (N, K) of the most probable class, in ``num_bins`` bins (i/n, (i+1)/n] of equal width.
    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015; for classes
    as in Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599, equation 3.
    """
    # float32 would put a confidence of exactly i/n into either bin.
    confidence = probabilities.max(1).astype(np.float64)
    right = probabilities.argmax(1) == labels
    bins = np.clip(np.ceil(confidence * num_bins) - 1, 0, num_bins - 1).astype(np.int64)
    gaps = np.bincount(bins, weights=right - confidence, minlength=num_bins)  # n_b (accuracy - confidence)
    return float(np.abs(gaps).sum() / len(labels))
