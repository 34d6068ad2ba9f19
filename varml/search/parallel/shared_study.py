"""A study as all who work on it have it: made ready by whoever comes first, its trials taken in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from varml.config.params import Params
from varml.config.space import Dimension, parse_space
from varml.search.first_wave import first_wave
from varml.search.kept_predictions import forget_others, keep_predictions
from varml.search.objective import Objective, TrialResult
from varml.search.parallel.claims import crashed, death_reason, give_back, queue_stale, reap, take_trial
from varml.search.parallel.storage import Storage, open_storage
from varml.search.space import base_values, suggest
from varml.search.study import (
    EPOCHS,
    FITTED,
    FOLD_SCORES,
    LOSS,
    REASON,
    ended_trials,
    enqueue_first,
    failed_trials,
    forgive,
    is_owed_a_trial,
    open_study,
    ranked_trials,
    seed_sampler,
    taken_over,
)
from varml.search.takeover import take_over
from varml.search.terms import Terms, Values
from varml.training.cross_validation import epoch_means


@dataclass(frozen=True)
class Work:
    """What whoever works on a study must know of it; it travels to other processes.

    ``make_objective`` is called once in each of them.
    """

    params: Params
    folder: Path
    name: str
    terms: Terms
    make_objective: Callable[[], Objective]


@dataclass(frozen=True)
class SharedStudy:
    """The study of some work."""

    work: Work
    storage: Storage
    study: optuna.Study
    dimensions: Mapping[str, Dimension]

    @classmethod
    def open(cls, work: Work) -> SharedStudy:
        """Return the study, ready to be worked on, whoever else has opened it already.

        What was interrupted is queued again; trials of other studies are taken over; the first wave is queued where
        nothing has begun.
        """
        storage = open_storage(work.folder, queue_stale)
        with storage.locked(work.name):
            study = open_study(storage.studies, work.name, work.params)
            shared = cls(work, storage, study, parse_space(work.params.search.space)[0])
            shared._prepare()
        return shared

    def forgive(self) -> None:
        """Queue failed trials again whose cause may be mended by now; for a search that begins, not for its workers."""
        with self.lock():
            forgive(self.study, self.max_failed)

    def next_trial(self) -> optuna.Trial | None:
        """Return a trial for this process to run, or None where the study has or is about to have its number."""
        with self.lock():
            reap(self.study)
            while self._has_room():
                seed_sampler(self.study, self.work.params)
                trial = take_trial(self.study)
                reason = death_reason(trial)
                if reason is None:
                    return trial
                suggest(trial, self.dimensions)  # it has its values to show
                self._fail(trial, reason)
        return None

    def finish(self, trial: optuna.Trial, result: TrialResult) -> None:
        """End a trial with what it gave; nothing happens where others have taken its process for dead."""
        with self.lock():
            if not self._is_running(trial):
                return
            trial.set_user_attr(LOSS, result.loss)
            trial.set_user_attr(FOLD_SCORES, result.fold_scores)
            trial.set_user_attr(EPOCHS, _short(epoch_means(result.fold_epochs)))
            if result.fitted:
                trial.set_user_attr(FITTED, result.fitted)
            if result.pruned:
                self.study.tell(trial, state=TrialState.PRUNED)
                return
            keep_predictions(self.kept, trial.number, result.oof)
            self.study.tell(trial, result.outcome)
            forget_others(self.kept, [trial.number for trial in self.ranked()])

    def fail(self, trial: optuna.Trial, reason: str) -> None:
        """End a trial that gave nothing, with the reason."""
        with self.lock():
            if self._is_running(trial):
                self._fail(trial, reason)

    def give_back(self, trial: optuna.Trial) -> None:
        """Queue a trial again that this process cannot end."""
        with self.lock():
            if self._is_running(trial):
                give_back(self.study, trial)

    def reap(self) -> None:
        """Queue again what processes have left that are gone."""
        with self.lock():
            reap(self.study)

    def note_crash(self, pid: int, reason: str) -> None:
        """Let the trial of a worker of this machine that has crashed fail, if it had one."""
        with self.lock():
            crashed(self.study, pid, reason)

    def is_complete(self) -> bool:
        """Return whether the study has its number of trials, and none is owed or running."""
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return not running and not self._has_room()

    def too_many_failed(self) -> bool:
        """Return whether more trials failed than may: the study is to be given up."""
        return len(failed_trials(self.study)) > self.max_failed

    def ended(self) -> list[FrozenTrial]:
        """Return the trials that count, by number."""
        return ended_trials(self.study)

    def ranked(self) -> list[FrozenTrial]:
        """Return the best of the complete trials within the budget of latency, as many as are kept, best first."""
        search = self.work.params.search
        return ranked_trials(self.study, search.latency_budget_ms)[: search.num_ranked]

    def pareto_front(self) -> list[FrozenTrial]:
        """Return the complete trials to which no other is better in one objective and as good in the other."""
        return list(self.study.best_trials)

    def lock(self) -> AbstractContextManager[None]:
        """Hold what all who work on the study hold in turns; not to be held twice."""
        return self.storage.locked(self.work.name)

    @property
    def num_trials(self) -> int:
        """How many trials the study is to have."""
        return self.work.params.search.num_trials

    @property
    def max_failed(self) -> float:
        """How many of them may fail."""
        return self.work.params.search.max_failed_fraction * self.num_trials

    @property
    def kept(self) -> Path:
        """The folder of the study's predictions."""
        return self.work.folder / self.work.name

    def _prepare(self) -> None:
        reap(self.study)
        take_over(self.study, self.work.terms, self.dimensions, self.work.folder)
        tried = [trial.params for trial in taken_over(self.study)]
        own = base_values(self.work.params, self.dimensions)
        enqueue_first(self.study, first_wave(own, self.dimensions, tried))
        if len(tried) == len(self.study.get_trials(deepcopy=False)) >= self.num_trials:
            print(_full(tried, self.num_trials), flush=True)

    def _has_room(self) -> bool:
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return len(self.ended()) + len(running) < self.num_trials or is_owed_a_trial(self.study)

    def _fail(self, trial: optuna.Trial, reason: str) -> None:
        trial.set_user_attr(REASON, reason)
        self.study.tell(trial, state=TrialState.FAIL)

    def _is_running(self, trial: optuna.Trial) -> bool:
        return self.study.get_trials(deepcopy=False)[trial.number].state == TrialState.RUNNING


def _short(curves: dict[str, list[float]]) -> dict[str, list[float]]:
    # To six digits: the study keeps them all.
    return {name: [float(f"{value:.6g}") for value in values] for name, values in curves.items()}


def _full(tried: Sequence[Values], num_trials: int) -> str:
    return (
        f"all {len(tried)} trials are those of earlier searches, and search.num_trials is {num_trials}: "
        "raise it to draw from what is new in the space"
    )
