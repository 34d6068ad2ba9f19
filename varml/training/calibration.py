"""Temperature scaling: one number makes probabilities as sure as they are right, and changes no single answer.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

from varml.metrics.classification import Labels
from varml.models.ensemble import with_temperature
from varml.training.loop import Probabilities
from varml.training.out_of_fold import OutOfFold

LOWEST, HIGHEST = 0.05, 20.0
NUM_DIGITS = 4
# A probability of 0 has no logarithm, and no temperature would bring it back.
SMALLEST = float(np.finfo(np.float32).tiny)


def fit_temperature(labels: Labels, probabilities: Probabilities) -> float:
    """Return the temperature, :data:`LOWEST` to :data:`HIGHEST`, at which ``probabilities`` (N, K) lose least.

    The loss is the cross-entropy to :func:`smoothed_targets`.
    """
    scores, targets = _scores(probabilities).double(), smoothed_targets(labels, probabilities.shape[1])

    def loss(log_temperature: float) -> float:
        return F.cross_entropy(scores / math.exp(log_temperature), targets).item()

    found = minimize_scalar(loss, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded")
    return round(math.exp(float(found.x)), NUM_DIGITS)


def smoothed_targets(labels: Labels, num_classes: int) -> Tensor:
    """Return targets (N, K) float64: 1 - 1/(N + 2) for the true class, the rest shared by the others.

    Were all N videos recognised, the best temperature would else be 0, and the model certain of everything. So many
    videos can show no more than this: Platt, "Probabilistic Outputs for Support Vector Machines", 1999, section 2.2.
    """
    rest = 1 / (len(labels) + 2)
    targets = torch.full((len(labels), num_classes), rest / max(num_classes - 1, 1), dtype=torch.float64)
    return targets.scatter(1, torch.from_numpy(labels)[:, None], 1 - rest)


def calibrate(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Return ``probabilities`` (N, K) at ``temperature``, as the served model gives them."""
    if temperature == 1:
        return probabilities
    return np.asarray(with_temperature(_scores(probabilities), temperature).numpy())


def cross_calibrated(oof: OutOfFold, probabilities: Probabilities) -> Probabilities:
    """Return ``probabilities`` (N, K), those of each fold at the temperature that is fitted on the other folds.

    So what is said of the calibration is said of videos that had no part in it. One fold alone has no others, and is
    returned as it is.
    """
    if len(oof.positions) < 2:
        return probabilities
    calibrated = np.full_like(probabilities, np.nan)
    for fold in oof.positions:
        others = np.setdiff1d(np.arange(len(oof.labels)), fold)
        calibrated[fold] = calibrate(probabilities[fold], fit_temperature(oof.labels[others], probabilities[others]))
    return calibrated


def _scores(probabilities: Probabilities) -> Tensor:
    return torch.from_numpy(np.log(np.maximum(probabilities, SMALLEST)))
