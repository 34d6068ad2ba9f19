"""What is served, as the out-of-fold predictions decide it: members, temperature, and when the answer is withheld."""

from __future__ import annotations

from dataclasses import dataclass

from varml.config.params import Train
from varml.metrics.calibration import expected_calibration_error
from varml.metrics.selective import selective_metrics, threshold_for
from varml.training.calibration import calibrate, cross_calibrated, fit_temperature
from varml.training.ensemble import Selection, Weights, select, weighted_mean
from varml.training.out_of_fold import OutOfFold


@dataclass(frozen=True)
class Served:
    """The share of each ranked trial that is served, the temperature, and the threshold below which none answers.

    ``figures`` are out of fold: of the best trial alone and of the ensemble, and the calibration error (ece) of what is
    served, before and after the temperature.
    """

    weights: Weights
    temperature: float
    unknown_below: float | None
    figures: dict[str, float]


def choose_served(oof: OutOfFold, metric: str, train: Train) -> Served:
    """Return what ``train`` wants to be served of the ranked trials, whose predictions ``oof`` holds best first."""
    oof = oof.validated()
    selection = select(oof, metric, train.ensemble.max_members)
    mean = weighted_mean(oof.probabilities, selection.weights)
    temperature = fit_temperature(oof.labels, mean)
    calibrated = calibrate(mean, temperature)
    threshold = None if train.min_precision is None else threshold_for(oof.labels, calibrated, train.min_precision)
    figures = {
        **_of_selection(selection, metric),
        "temperature": temperature,
        "ece": expected_calibration_error(oof.labels, mean),
        "ece_calibrated": expected_calibration_error(oof.labels, cross_calibrated(oof, mean)),
        **selective_metrics(oof.labels, calibrated, calibrated.max(1) >= (threshold or 0)),
    }
    return Served(selection.weights, temperature, threshold, figures)


def _of_selection(selection: Selection, metric: str) -> dict[str, float]:
    single, ensemble = selection.single, selection.ensemble
    judged = {f"ensemble_{metric}": ensemble.score, "ensemble_log_loss": -ensemble.negative_loss} if ensemble else {}
    return {
        "num_members": len(selection.weights),
        f"single_{metric}": single.score,
        "single_log_loss": -single.negative_loss,
        **judged,
    }
