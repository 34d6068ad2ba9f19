"""Trainings end to end as MLflow runs: a child run for each that is confirmed, beside those of trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from varml.metrics.rank_correlation import RankCorrelation
from varml.search.confirmation.candidates import Candidate
from varml.search.confirmation.end_to_end_trainings import Attempt
from varml.search.trial_runs import curve_points
from varml.tracking.runs import KIND, Point, Status, TrackedRun, children, create_run
from varml.training.cross_validation import epoch_means

CONFIRMATION = "confirmation"
ATTEMPT = "varml.confirmation"
CONFIRMED_TRIAL = "varml.confirmed_trial"
SPEARMAN = "varml.confirmation.spearman"


@dataclass(frozen=True)
class ConfirmationRuns:
    """Writes runs of kind ``confirmation`` under the ``parent`` of a search, each once, however often it goes on."""

    parent: TrackedRun
    experiment: str

    def log(self, attempt: Attempt, candidate: Candidate | None, fold_scores: Sequence[float]) -> None:
        """Write the run of an attempt that is over; it has no ``candidate`` where it failed."""
        outcome = "failed" if candidate is None else f"{candidate.value:.3f}"
        status: Status = "FAILED" if candidate is None else "FINISHED"
        if self._is_logged(attempt, status):
            return
        tags = {KIND: CONFIRMATION, ATTEMPT: attempt.key, CONFIRMED_TRIAL: str(attempt.trial.number)}
        tags |= {"varml.reason": attempt.reason} if attempt.reason is not None else {}
        began, ended = _times(attempt)
        run = create_run(self.experiment, _name(attempt, outcome), tags, parent=self.parent, start_time_ms=began)
        run.log_batch(attempt.params, _points(attempt, candidate, fold_scores))
        run.finish(status, ended)

    def log_summary(self, correlation: RankCorrelation, num_confirmed: int, num_failed: int) -> None:
        """Tell the parent how many were confirmed, and how far both levels agree."""
        figures: dict[str, float] = {"num_confirmed": num_confirmed, "num_confirmation_failed": num_failed}
        if correlation.spearman is not None:
            figures["confirmation_spearman"] = correlation.spearman
        if correlation.interval is not None:
            figures["confirmation_spearman_low"], figures["confirmation_spearman_high"] = correlation.interval
        self.parent.log_metrics(figures)
        self.parent.set_tags({SPEARMAN: correlation_text(correlation)})

    def _is_logged(self, attempt: Attempt, status: str) -> bool:
        return any(
            run.data.tags.get(ATTEMPT) == attempt.key and run.info.status == status for run in children(self.parent)
        )


def correlation_text(correlation: RankCorrelation) -> str:
    """Return a correlation with its interval in a few words."""
    if correlation.spearman is None:
        return f"not defined for {correlation.num}"
    interval = "no interval" if correlation.interval is None else "{:.2f} to {:.2f}".format(*correlation.interval)
    return f"{correlation.spearman:.2f} ({interval}, {correlation.num} trials)"


def _name(attempt: Attempt, outcome: str) -> str:
    # As trials are named, with what was trained of the backbones.
    chosen = [str(value) for value in attempt.params.values() if isinstance(value, str)]
    return " ".join([f"end to end #{attempt.trial.number:03d}", *chosen, outcome])


def _times(attempt: Attempt) -> tuple[int | None, int | None]:
    if not attempt.trainings:
        return None, None
    began = min(training.began for training in attempt.trainings)
    ended = max(training.ended for training in attempt.trainings)
    return int(began * 1000), int(ended * 1000)


def _points(attempt: Attempt, candidate: Candidate | None, fold_scores: Sequence[float]) -> list[Point]:
    points = curve_points({"fold_score": fold_scores, **epoch_means(fold.epochs for fold in attempt.folds)})
    if candidate is not None and candidate.cached_value is not None:
        points += [("value", candidate.value, 0), ("cached_value", candidate.cached_value, 0)]
    return points
