"""The whole search: baseline, trials until the study has its number, ranking."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from varml.config.params import Params
from varml.config.space import Dimension, parse_space
from varml.errors import SearchError, StoreError
from varml.search.first_wave import first_wave
from varml.search.kept_predictions import forget_others, keep_predictions, kept_predictions
from varml.search.objective import Objective, TrialResult, score_predictions
from varml.search.space import base_values, suggest
from varml.search.study import (
    FITTED,
    LOSS,
    REASON,
    ended_trials,
    enqueue_first,
    failed_trials,
    forgive,
    is_owed_a_trial,
    open_study,
    ranked_trials,
    reap,
    seed_sampler,
    taken_over,
)
from varml.search.takeover import take_over
from varml.search.terms import Terms, Values
from varml.search.trial_runs import log_missing_trials, log_trial, outcome_of
from varml.tracking.runs import KIND, TrackedRun, children, create_run
from varml.training.baseline import validate_baseline
from varml.training.loop import Probabilities
from varml.training.out_of_fold import OutOfFold, fold_numbers

MAX_REASON_LENGTH = 300


@dataclass(frozen=True)
class Baseline:
    """Logistic regression on mean features, validated on the same folds as the trials."""

    backbone: str
    score: float
    top1: float


@dataclass(frozen=True)
class SearchResult:
    """The ended trials, the best of them with their out-of-fold predictions in the same order, and the baseline."""

    trials: list[FrozenTrial]
    ranked: list[FrozenTrial]
    oof: OutOfFold
    baseline: Baseline


@dataclass(frozen=True)
class Search:
    """A study over cached features, logged under one parent run."""

    params: Params
    objective: Objective
    parent: TrackedRun
    folder: Path
    name: str
    terms: Terms

    def run(self) -> SearchResult:
        """Run until the study has ``search.num_trials`` trials, rank them, and validate the baseline.

        Raises SearchError where no trial is complete.
        """
        study = open_study(self.folder, self.name, self.params)
        reap(study)
        forgive(study, self._max_failed)
        dimensions = parse_space(self.params.search.space)[0]
        take_over(study, self.terms, dimensions, self.folder)
        baseline = self._baseline()
        self._run_trials(study, dimensions)
        ranked = self._ranked(study)
        if not ranked:
            raise SearchError(_why_none(study))
        return SearchResult(ended_trials(study), ranked, self._out_of_fold(ranked), baseline)

    def _run_trials(self, study: optuna.Study, dimensions: Mapping[str, Dimension]) -> None:
        tried = [trial.params for trial in taken_over(study)]
        enqueue_first(study, first_wave(base_values(self.params, dimensions), dimensions, tried))
        if len(tried) == len(study.get_trials()) >= self.params.search.num_trials:
            print(_full(tried, self.params.search.num_trials), flush=True)
        log_missing_trials(study, self.parent, self._experiment)
        begun = time.monotonic()
        while len(ended_trials(study)) < self.params.search.num_trials or is_owed_a_trial(study):
            if self._is_late(begun):
                print(f"the search ends after search.timeout_sec, with {len(ended_trials(study))} trials", flush=True)
                return
            seed_sampler(study, self.params)
            number, result = self._run_one(study, dimensions)
            ended = study.trials[number]
            log_trial(ended, self.parent, self._experiment, result)
            forget_others(self._kept, [trial.number for trial in self._ranked(study)])
            self._report(study, ended)
            self._stop_where_too_many_failed(study)

    def _is_late(self, begun: float) -> bool:
        limit = self.params.search.timeout_sec
        return limit is not None and time.monotonic() - begun > limit

    def _stop_where_too_many_failed(self, study: optuna.Study) -> None:
        failed = failed_trials(study)
        if len(failed) > self._max_failed:
            raise SearchError(
                f"search.max_failed_fraction allows {self._max_failed:g} trials to fail; {_commonest(failed)}; "
                "mend that, change the space or raise the fraction; the next search tries them again"
            )

    def _run_one(self, study: optuna.Study, dimensions: Mapping[str, Dimension]) -> tuple[int, TrialResult | None]:
        trial = study.ask()
        try:
            result = self.objective(trial, suggest(trial, dimensions))
        except (StoreError, OSError):
            raise  # the machine's fault and not the configuration's: the trial is queued again by the next search
        except Exception as error:  # whatever one configuration does, the others go on
            trial.set_user_attr(REASON, _reason(error))
            study.tell(trial, state=TrialState.FAIL)
            return trial.number, None
        trial.set_user_attr(LOSS, result.loss)
        if result.fitted:
            trial.set_user_attr(FITTED, result.fitted)
        if result.pruned:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            keep_predictions(self._kept, trial.number, result.oof)
            study.tell(trial, result.score)
        return trial.number, result

    def _out_of_fold(self, ranked: list[FrozenTrial]) -> OutOfFold:
        data = self.objective.load(self.params.model.backbone)
        return OutOfFold(
            data.video_ids,
            data.labels,
            fold_numbers(self.objective.folds, len(data)),
            np.stack([self._oof(trial) for trial in ranked]),
        )

    def _oof(self, trial: FrozenTrial) -> Probabilities:
        kept = kept_predictions(self._kept, trial.number)
        if kept is not None:
            return kept
        # The journal may have come from elsewhere; the predictions come out the same.
        return self.objective(optuna.trial.FixedTrial(trial.params), trial.params).oof

    def _baseline(self) -> Baseline:
        backbone = self.params.model.backbone
        data, folds = self.objective.load(backbone), self.objective.folds
        data = data if self.params.train.mirror else data.unmirrored
        probabilities = validate_baseline(data, folds)
        score, top1 = score_predictions(self.params.search.metric, data.labels, probabilities, folds)
        if not any(run.data.tags.get(KIND) == "baseline" for run in children(self.parent)):
            run = create_run(self._experiment, "baseline", {KIND: "baseline"}, parent=self.parent)
            run.log_params({"model": "logistic regression on mean features", "model.backbone": backbone})
            run.log_metrics({"value": score, "val_top1": top1})
            run.finish("FINISHED")
        return Baseline(backbone, score, top1)

    def _report(self, study: optuna.Study, ended: FrozenTrial) -> None:
        trials = ended_trials(study)
        best = ranked_trials(study)
        if best and best[0].value is not None:
            self.parent.log_metrics({"best_value": best[0].value}, step=len(trials))
        values = ", ".join(f"{k.rsplit('.', 1)[-1]} {_short(v)}" for k, v in ended.params.items())
        top = f"{best[0].value:.3f}" if best else "none"
        total = max(len(trials), self.params.search.num_trials)
        print(f"trial {len(trials)}/{total}: {outcome_of(ended)} (best {top}) {values}", flush=True)

    def _ranked(self, study: optuna.Study) -> list[FrozenTrial]:
        return ranked_trials(study)[: self.params.search.num_ranked]

    @property
    def _max_failed(self) -> float:
        return self.params.search.max_failed_fraction * self.params.search.num_trials

    @property
    def _kept(self) -> Path:
        return self.folder / self.name

    @property
    def _experiment(self) -> str:
        return self.params.register_.experiment


def _reason(error: Exception) -> str:
    # One line: it goes into a table, a tag and a message.
    return " ".join(f"{type(error).__name__}: {error}".split())[:MAX_REASON_LENGTH]


def _full(tried: Sequence[Values], num_trials: int) -> str:
    return (
        f"all {len(tried)} trials are those of earlier searches, and search.num_trials is {num_trials}: "
        "raise it to draw from what is new in the space"
    )


def _why_none(study: optuna.Study) -> str:
    ended = ended_trials(study)
    if not ended:
        return "no trial has ended within search.timeout_sec; raise it"
    return f"no trial is complete; {_commonest(ended)}; mend that or change the space"


def _commonest(trials: list[FrozenTrial]) -> str:
    reasons = Counter(str(trial.user_attrs.get(REASON, trial.state.name)) for trial in trials)
    reason, count = reasons.most_common(1)[0]
    return f"{count} of {len(trials)} ended with: {reason}"


def _short(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)
