"""The whole search: baseline, trials until the study has its number, ranking."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from varml.errors import SearchError
from varml.search.baseline import Baseline, validate_baseline
from varml.search.kept_predictions import kept_predictions
from varml.search.objective import Objective
from varml.search.parallel.crew import Crew
from varml.search.parallel.shared_study import SharedStudy, Work
from varml.search.parallel.worker import work_on
from varml.search.progress.reporter import Reporter
from varml.search.progress.watch import watched
from varml.search.pruners.base import NONE
from varml.search.search_log import SearchLog
from varml.search.study import commonest_reason, failed_trials, latency_of, value_of
from varml.tracking.runs import TrackedRun
from varml.training.loop import Probabilities
from varml.training.out_of_fold import OutOfFold, fold_numbers

LOOK_SEC = 0.2


@dataclass(frozen=True)
class SearchResult:
    """The ended trials, the best of them with their out-of-fold predictions in the same order, and the baseline."""

    trials: list[FrozenTrial]
    ranked: list[FrozenTrial]
    oof: OutOfFold
    baseline: Baseline
    front: list[FrozenTrial] = field(default_factory=list)  # Pareto's, where latency is weighed too


def run_search(work: Work, parent: TrackedRun) -> SearchResult:
    """Run trials until the study has ``search.num_trials``, here or in workers, rank them, and validate the baseline.

    All is logged under the run ``parent``. Raises SearchError where no trial is complete or too many failed, and
    TrackingError where MLflow did not answer in the end; the trials are kept then, too.
    """
    search, shared, objective = work.params.search, SharedStudy.open(work), work.make_objective()
    shared.forgive()
    if search.weighs_latency:
        _set_pruner_aside(search.pruner.name)
    baseline = validate_baseline(work.params, objective)
    with (
        SearchLog(shared, parent, baseline).kept() as write,
        watched(shared.num_trials, search.num_workers, search.latency_budget_ms) as watch,
    ):
        _run_trials(shared, objective, Reporter(shared, watch, write))
    ranked = shared.ranked()
    if not ranked:
        raise SearchError(_why_none(shared.ended(), search.latency_budget_ms))
    front = shared.pareto_front() if search.weighs_latency else []
    return SearchResult(shared.ended(), ranked, _out_of_fold(shared, objective, ranked), baseline, front)


def _run_trials(shared: SharedStudy, objective: Objective, look: Reporter) -> None:
    limit = shared.work.params.search.timeout_sec
    until = time.time() + limit if limit else float("inf")
    look()
    if shared.work.params.search.num_workers == 1:
        work_on(shared, objective, until=until, look=look)
    elif not shared.is_complete():
        with Crew(shared, shared.work.params.search.num_workers, until) as crew:
            while crew.watch(LOOK_SEC):
                look()
    look()
    _stop_where_too_many_failed(shared)
    if time.time() > until and not shared.is_complete():
        print(f"the search ends after search.timeout_sec, with {len(shared.ended())} trials", flush=True)


def _set_pruner_aside(name: str) -> None:
    if name != NONE:
        print(f"search.pruner {name} is set aside: beside latency_ms no trial is stopped before its end", flush=True)


def _stop_where_too_many_failed(shared: SharedStudy) -> None:
    if shared.too_many_failed():
        raise SearchError(
            f"search.max_failed_fraction allows {shared.max_failed:g} trials to fail; "
            f"{commonest_reason(failed_trials(shared.study))}; "
            "mend that, change the space or raise the fraction; the next search tries them again"
        )


def _out_of_fold(shared: SharedStudy, objective: Objective, ranked: list[FrozenTrial]) -> OutOfFold:
    data = objective.load(shared.work.params.model.backbone)
    oof = np.stack([_predictions(shared, objective, trial) for trial in ranked])
    return OutOfFold(data.video_ids, data.labels, fold_numbers(objective.folds, len(data)), oof)


def _predictions(shared: SharedStudy, objective: Objective, trial: FrozenTrial) -> Probabilities:
    kept = kept_predictions(shared.kept, trial.number)
    if kept is not None:
        return kept
    # The study or the trial may have come from elsewhere; the predictions come out the same.
    return objective(optuna.trial.FixedTrial(trial.params), trial.params).oof


def _why_none(ended: list[FrozenTrial], budget_ms: float | None) -> str:
    if not ended:
        return "no trial has ended within search.timeout_sec; raise it"
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    if complete:
        fastest = min(complete, key=lambda trial: latency_of(trial) or 0.0)
        return (
            f"no trial keeps to search.latency_budget_ms, {budget_ms:g}: the fastest, number {fastest.number}, takes "
            f"{latency_of(fastest):g} ms and reached {value_of(fastest):.3f}; raise the budget, or give the space "
            "faster backbones and more trials; those that have ended are kept"
        )
    return f"no trial is complete; {commonest_reason(ended)}; mend that or change the space"
