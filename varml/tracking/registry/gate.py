"""Whether a model may take the champion's place, judged by what both said of the same test videos and by that alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from varml.config.register_params import Gate
from varml.metrics.calibration import expected_calibration_error
from varml.metrics.classification import ANSWER_METRICS, Labels
from varml.metrics.paired import bootstrap_gains
from varml.tracking.registry.evaluations import Evaluation


@dataclass(frozen=True)
class Verdict:
    """What stands against a model, each reason a sentence, and the figures that were looked at, by name.

    Figures are the ``metric`` of the gate, ``num_videos`` (that neither model was trained on), ``ece``, ``latency_ms``,
    and beside a champion ``champion`` (its metric), ``gain`` and ``confidence`` (the share of bootstrap samples with
    the gain that is asked for).
    """

    reasons: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether nothing stands against the model."""
        return not self.reasons


def judge(candidate: Evaluation, champion: Evaluation | None, gate: Gate) -> Verdict:
    """Return what ``gate`` says of ``candidate``, against ``champion`` where there is one.

    Test videos that either was trained on are left out: splits may have been drawn anew between the two.
    """
    if champion is not None:
        if champion.test_set != candidate.test_set:
            return Verdict(["it and the champion were evaluated on different test videos, and cannot be compared"])
        # What one of them has learned by heart says nothing.
        learned = candidate.seen | champion.seen
        candidate, champion = candidate.without(learned), champion.without(learned)
    if candidate.predictions.empty:
        return Verdict(["it or the champion was trained on all of these test videos, so that they cannot be compared"])
    pair = _Pair(candidate, champion)
    figures = pair.figures(gate)
    return Verdict([*_of_gain(figures, gate), *_of_classes(pair, gate), *_of_bounds(figures, gate)], figures)


class _Pair:
    """A candidate's answers (N,) beside the champion's, as places in ``classes``."""

    def __init__(self, candidate: Evaluation, champion: Evaluation | None) -> None:
        self.candidate = candidate
        self.classes = sorted({*candidate.classes, *(champion.classes if champion else [])})
        self.labels, self.answers = candidate.labels(self.classes), candidate.answers(self.classes)
        self.champion = champion.answers(self.classes) if champion else None

    def figures(self, gate: Gate) -> dict[str, float]:
        metric = ANSWER_METRICS[gate.metric]
        own = metric(self.labels, self.answers)
        probabilities = self.candidate.probabilities(self.classes)
        figures = {
            gate.metric: own,
            "num_videos": float(len(self.labels)),
            "ece": expected_calibration_error(self.labels, probabilities),
        }
        if self.candidate.latency_ms is not None:
            figures["latency_ms"] = self.candidate.latency_ms
        if self.champion is not None:
            gains = bootstrap_gains(metric, self.labels, self.answers, self.champion)
            figures["champion"] = metric(self.labels, self.champion)
            figures["gain"] = own - figures["champion"]
            # A gain of exactly so much counts, whatever the last bit of a difference.
            figures["confidence"] = float((gains >= gate.min_gain - 1e-9).mean())
        return figures

    def recalls(self, answers: Labels) -> npt.NDArray[np.float64]:
        """Return the share of each class's videos that was recognised, (K,); NaN where there is no video."""
        right = np.bincount(self.labels[answers == self.labels], minlength=len(self.classes))
        with np.errstate(invalid="ignore"):
            return np.asarray(right / np.bincount(self.labels, minlength=len(self.classes)))


def _of_gain(figures: dict[str, float], gate: Gate) -> Iterator[str]:
    if figures.get("confidence", 1.0) < gate.confidence:
        yield (
            f"its test {gate.metric} is {figures[gate.metric]:.3f}, the champion's {figures['champion']:.3f}: it gains "
            f"{gate.min_gain:g} in {figures['confidence']:.0%} of bootstrap samples of the test videos and must in "
            f"{gate.confidence:.0%} (register.gate.min_gain, confidence)"
        )


def _of_classes(pair: _Pair, gate: Gate) -> Iterator[str]:
    floor = gate.min_class_accuracy
    if floor is None:
        return
    own = pair.recalls(pair.answers)
    # A floor that nobody reaches must not keep everybody out.
    needed = np.full(len(own), floor) if pair.champion is None else np.minimum(floor, pair.recalls(pair.champion))
    for place in np.flatnonzero(own < needed):
        yield (
            f"it recognises {own[place]:.2f} of the test videos of {pair.classes[place]!r}, and must {floor:g}, or as "
            "many as the champion (register.gate.min_class_accuracy)"
        )


def _of_bounds(figures: dict[str, float], gate: Gate) -> Iterator[str]:
    if gate.max_ece is not None and figures["ece"] > gate.max_ece:
        yield (
            f"its probabilities are off by {figures['ece']:.3f} in the mean (expected calibration error on the test "
            f"videos), and may be by {gate.max_ece:g} (register.gate.max_ece)"
        )
    latency = figures.get("latency_ms", np.inf)  # one that is not known is within no budget
    if gate.latency_budget_ms is not None and latency > gate.latency_budget_ms:
        yield (
            f"it takes {latency:.1f} ms for a video where it was evaluated, and may take {gate.latency_budget_ms:g} "
            "(register.gate.latency_budget_ms)"
        )
