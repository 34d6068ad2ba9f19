"""Confirmation: the best few are trained end to end, and compete with what they are on cached features.

All are judged on equal footing: by what each says of the same videos, those of the folds that validate what is
confirmed, after a training on the rest. So the figures of trials are here those of these folds alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.trial import FrozenTrial

from varml.config.confirm_space import FROZEN, confirmed_choices
from varml.config.params import Params
from varml.data.manifest import read_manifest
from varml.data.splits import Positions
from varml.data.validation import TRAINING_SPLITS, confirming_folds
from varml.ground.paths import MANIFEST
from varml.metrics.rank_correlation import RankCorrelation, rank_correlation
from varml.search.baseline import validate_baseline
from varml.search.confirmation.candidates import Candidate, candidate_of
from varml.search.confirmation.confirmation_runs import ConfirmationRuns
from varml.search.confirmation.confirmed_set import confirmed_trials
from varml.search.confirmation.end_to_end_trainings import Attempt, Trainer, TrainFold
from varml.search.kept_predictions import keep_predictions, kept_predictions
from varml.search.objective import Objective
from varml.search.parallel.shared_study import Work
from varml.search.run import SearchResult
from varml.search.terms import Terms
from varml.tracking.runs import TrackedRun
from varml.training.cross_validation import FoldResult
from varml.training.end_to_end import validate_end_to_end
from varml.training.loop import Probabilities
from varml.training.out_of_fold import OutOfFold, fold_numbers
from varml.training.stream_weight import WEIGHT, StreamProbabilities, cross_mixed, fit_rgb_weight


@dataclass(frozen=True)
class Confirmation:
    """What competed, best first, with the predictions of each in the same order, NaN where no fold validated.

    ``baseline`` is the metric of the baseline on the same videos. ``correlation`` is that of both levels over trials,
    each as good as its best training end to end; ``num_failed`` counts what could not be trained.
    """

    ranked: list[Candidate]
    oof: OutOfFold
    baseline: float
    correlation: RankCorrelation
    num_failed: int


@dataclass(frozen=True)
class Confirmer:
    """Confirms the trials of a study on the videos ``rows`` of train and val; ``folder`` belongs to the study alone."""

    params: Params
    rows: pd.DataFrame
    objective: Objective
    terms: Terms
    folder: Path
    parent: TrackedRun
    train: TrainFold = validate_end_to_end

    def confirm(self, result: SearchResult) -> Confirmation | None:
        """Return what comes of the confirmation of ``result``, or None where ``search.confirm.top_k`` is 0.

        What cannot be trained fails alone. Raises StoreError where something stored cannot be read.
        """
        if not self._folds:
            return None
        chosen = confirmed_trials(result.trials, self.params)
        numbers = {trial.number for trial in chosen}
        others = [trial for trial in result.ranked if trial.number not in numbers]
        frozen = {trial.number: self._frozen(trial) for trial in [*chosen, *others]}
        attempts = [Attempt(trial, values) for trial in chosen for values in confirmed_choices(self.params)]
        confirmed = self._confirmed(attempts, {number: candidate for number, (candidate, _) in frozen.items()})
        found = sorted([*frozen.values(), *confirmed], key=lambda one: one[0].rank)
        confirmation = Confirmation(
            [candidate for candidate, _ in found],
            self._out_of_fold([said for _, said in found]),
            self._baseline(),
            correlation_of([candidate for candidate, _ in confirmed]),
            sum(attempt.reason is not None for attempt in attempts),
        )
        self._runs.log_summary(confirmation.correlation, len(confirmed), confirmation.num_failed)
        return confirmation

    def _confirmed(
        self, attempts: Sequence[Attempt], frozen: dict[int, Candidate]
    ) -> list[tuple[Candidate, Probabilities]]:
        trainer = Trainer(self.params, self.rows, self.terms, self.folder, self.train)
        runs, num_trainings = self._runs, len(attempts) * len(self._folds)
        print(f"end to end: {len(attempts)} to confirm, {num_trainings} trainings", flush=True)
        found: dict[str, tuple[Candidate, Probabilities]] = {}
        for number, attempt in enumerate(trainer.run(attempts, self._folds), 1):
            if attempt.reason is None:
                found[attempt.key] = self._judged(attempt, frozen[attempt.trial.number])
            candidate = found.get(attempt.key, (None,))[0]
            runs.log(attempt, candidate, self._scores(found[attempt.key][1]) if candidate else [])
            print(f"end to end {number}/{len(attempts)}: {_said(attempt, candidate)}", flush=True)
        # In the order in which they were asked for, whichever was over first.
        return [found[attempt.key] for attempt in attempts if attempt.key in found]

    def _frozen(self, trial: FrozenTrial) -> tuple[Candidate, Probabilities]:
        said = self._validated(self._oof_of(trial))
        whole = candidate_of(trial)
        return self._valued(replace(whole, params={**whole.params, **FROZEN}), said), said

    def _judged(self, attempt: Attempt, frozen: Candidate) -> tuple[Candidate, Probabilities]:
        said, fitted = self._said(attempt.folds)
        # Params with the values of the trial, and with those that it was trained with end to end.
        candidate = replace(frozen, params=attempt.params, fitted=fitted, cached_value=frozen.value)
        return self._valued(candidate, said), said

    def _said(self, folds: Sequence[FoldResult]) -> tuple[Probabilities, dict[str, float]]:
        """Return what is said out of fold, and the weight of the streams, fitted where there are folds to fit it on.

        The weight with which a fold is predicted is fitted on the others, as in a trial.
        """
        said, streams = self._nothing, StreamProbabilities()
        for fold in folds:
            said[fold.positions] = fold.probabilities
            for stream, probabilities in (fold.streams or {}).items():
                streams.setdefault(stream, self._nothing)[fold.positions] = probabilities
        if not streams or len(folds) < 2:
            return said, {}
        validated, labels = np.concatenate(self._folds), self._labels
        weight = fit_rgb_weight(labels[validated], {name: one[validated] for name, one in streams.items()})
        return cross_mixed(labels, streams, self._folds), {WEIGHT: weight}

    def _valued(self, candidate: Candidate, said: Probabilities) -> Candidate:
        figures = self._out_of_fold([said]).figures(self.params.search.metric, said)
        return replace(candidate, value=figures.score, log_loss=-figures.negative_loss)

    def _scores(self, said: Probabilities) -> list[float]:
        metric, oof = self.params.search.metric, self._out_of_fold([said])
        return [
            replace(oof, folds=fold_numbers([fold], len(oof.labels))).figures(metric, said).score
            for fold in self._folds
        ]

    def _oof_of(self, trial: FrozenTrial) -> Probabilities:
        kept = kept_predictions(self.folder, trial.number)
        if kept is None:
            # The best of a fusion need not be among the ranked, and only theirs are kept.
            kept = self.objective(optuna.trial.FixedTrial(trial.params), trial.params).oof
            keep_predictions(self.folder, trial.number, kept)
        return kept

    def _validated(self, oof: Probabilities) -> Probabilities:
        said = self._nothing
        for fold in self._folds:
            said[fold] = oof[fold]
        return said

    def _baseline(self) -> float:
        return validate_baseline(self.params, replace(self.objective, folds=self._folds)).score

    def _out_of_fold(self, said: Sequence[Probabilities]) -> OutOfFold:
        ids, folds = self.rows["video_id"].tolist(), fold_numbers(self._folds, len(self.rows))
        return OutOfFold(ids, self._labels, folds, np.stack(said))

    @property
    def _nothing(self) -> Probabilities:
        classes = self.objective.load(self.params.model.backbone).classes
        return np.full((len(self.rows), len(classes)), np.nan, dtype=np.float32)

    @property
    def _labels(self) -> np.ndarray:
        return self.objective.load(self.params.model.backbone).labels

    @property
    def _folds(self) -> list[Positions]:
        return confirming_folds(self.objective.folds, self.params)

    @property
    def _runs(self) -> ConfirmationRuns:
        return ConfirmationRuns(self.parent, self.params.register_.experiment)


def confirm_project(work: Work, result: SearchResult, parent: TrackedRun) -> Confirmation | None:
    """Confirm the trials of the project in the current folder (see :meth:`Confirmer.confirm`)."""
    params = work.params
    if not params.search.confirm.top_k:
        return None
    rows, folder = read_manifest(MANIFEST, splits=TRAINING_SPLITS), work.folder / work.name
    return Confirmer(params, rows, work.make_objective(), work.terms, folder, parent).confirm(result)


def correlation_of(confirmed: Sequence[Candidate]) -> RankCorrelation:
    """Return how far trials have the same order on cached features and end to end, each as its best training has it."""
    cached = {candidate.trial: float(candidate.cached_value or 0) for candidate in confirmed}
    best = {number: max(one.value for one in confirmed if one.trial == number) for number in cached}
    return rank_correlation(list(cached.values()), [best[number] for number in cached])


def _said(attempt: Attempt, candidate: Candidate | None) -> str:
    values = ", ".join(f"{path.rsplit('.', 1)[-1]} {value}" for path, value in attempt.values.items())
    if candidate is None:
        return f"trial {attempt.trial.number} failed: {attempt.reason} ({values})"
    return f"trial {candidate.trial} {candidate.value:.3f} (frozen {candidate.cached_value:.3f}) {values}"
