"""The trainings end to end of what is confirmed: each in a process that is killed when it breaks a limit, each kept.

Fold by fold, so that what fails in one fold is not trained in the next.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import torch
from optuna.trial import FrozenTrial

from varml.config.confirm_space import Values
from varml.config.params import Params
from varml.config.space import apply_values
from varml.data.splits import Positions
from varml.errors import StoreError
from varml.ground.allocator import keep_freed_memory
from varml.ground.content_key import content_key
from varml.ground.engine import map_isolated, resolve_num_workers
from varml.search.confirmation.kept_trainings import (
    Training,
    forget_checkpoints,
    keep_failure,
    keep_training,
    kept_failure,
    kept_training,
    training_checkpoint,
)
from varml.search.terms import Terms
from varml.training.adaptations import adaptations_of, list_adaptations
from varml.training.cross_validation import FoldResult
from varml.training.end_to_end import EndToEndTask, validate_end_to_end

TrainFold = Callable[[EndToEndTask], FoldResult]
# Raise it when the same training may give another result.
VERSION = 3
# More than any machine has, and still a number of bytes.
UNLIMITED_MB = 1 << 40
MAX_REASON_LENGTH = 300


@dataclass
class Attempt:
    """A trial with the end-to-end ``values`` that are tried on it: the trainings that are over, or why it failed.

    ``key`` stands for all that its trainings depend on, the folds too; the trainer gives it.
    """

    trial: FrozenTrial
    values: Values
    trainings: list[Training] = field(default_factory=list)
    reason: str | None = None
    key: str = ""

    @property
    def params(self) -> Values:
        """All its values, by params path."""
        return {**self.trial.params, **self.values}

    @property
    def folds(self) -> list[FoldResult]:
        """What its trainings gave."""
        return [training.result for training in self.trainings]


@dataclass(frozen=True)
class _Job:
    """One training that is to be done; travels to a worker process."""

    place: int
    key: str
    task: EndToEndTask


@dataclass(frozen=True)
class _Unreadable:
    """What was stored and could not be read: the machine's fault, and not that of what is trained."""

    reason: str


@dataclass(frozen=True)
class Trainer:
    """Trains attempts on the videos ``rows`` of train and val, and keeps what comes of it in ``folder``.

    ``params`` are those of the project, ``terms`` those of the study. ``train`` is what a worker process does.
    """

    params: Params
    rows: pd.DataFrame
    terms: Terms
    folder: Path
    train: TrainFold = validate_end_to_end

    def run(self, attempts: Sequence[Attempt], folds: Sequence[Positions]) -> Iterator[Attempt]:
        """Train each of ``attempts`` on what each of ``folds`` does not validate; yield each when it is over.

        What was kept is not trained again. What failed under the same limits has failed, unless nothing else came out:
        then the cause may be mended by now. Raises StoreError where something stored cannot be read.
        """
        jobs = [[self._job(place, one, *fold) for place, one in enumerate(attempts)] for fold in enumerate(folds)]
        for attempt, of_attempt in zip(attempts, zip(*jobs, strict=True), strict=True):
            attempt.key = content_key(trainings=[job.key for job in of_attempt])
        forgiven = not any(kept_training(self.folder, job.key) for of_fold in jobs for job in of_fold)
        for number, of_fold in enumerate(jobs):
            waiting = [job for job in of_fold if attempts[job.place].reason is None]
            for place in self._run_fold(attempts, waiting, forgiven):
                if attempts[place].reason is not None or number + 1 == len(folds):
                    yield attempts[place]
        forget_checkpoints(self.folder)

    def _run_fold(self, attempts: Sequence[Attempt], jobs: Sequence[_Job], forgiven: bool) -> Iterator[int]:
        missing = []
        for job in jobs:
            kept = kept_training(self.folder, job.key)
            failed = None if forgiven else kept_failure(self.folder, job.key, self._limits)
            if kept is None and failed is None:
                missing.append(job)
                continue
            _take(attempts[job.place], kept or failed)
            yield job.place
        for job, outcome in self._train(missing):
            self._keep(job, outcome)
            _take(attempts[job.place], outcome)
            yield job.place

    def _train(self, jobs: Sequence[_Job]) -> Iterator[tuple[_Job, Training | str]]:
        confirm = self.params.search.confirm
        outcomes = map_isolated(
            partial(_work, self.train),
            jobs,
            num_workers=self._num_workers,
            timeout_sec=confirm.timeout_sec or math.inf,
            memory_mb=confirm.memory_mb or UNLIMITED_MB,
        )
        for outcome in outcomes:
            if isinstance(outcome.result, _Unreadable):
                raise StoreError(outcome.result.reason)
            yield outcome.item, outcome.result or " ".join(str(outcome.reason).split())[:MAX_REASON_LENGTH]

    def _keep(self, job: _Job, outcome: Training | str) -> None:
        if isinstance(outcome, Training):
            keep_training(self.folder, job.key, outcome)
        else:
            keep_failure(self.folder, job.key, outcome, self._limits)
        if job.task.checkpoint is not None:
            job.task.checkpoint.remove()

    def _job(self, place: int, attempt: Attempt, fold: int, positions: Positions) -> _Job:
        params = apply_values(self.params, attempt.params)
        key = self._key(params, fold, positions)
        adapted = adaptations_of(list_adaptations(self.rows, self.params), params.model.backbone, fold)
        checkpoint = training_checkpoint(self.folder, key, params.train.checkpoint_every)
        return _Job(place, key, EndToEndTask(self.rows, params, fold, positions, adapted, checkpoint))

    def _key(self, params: Params, fold: int, positions: Positions) -> str:
        """Return what changes with all that the training gives: videos, labels, what is seen of them, and values."""
        return content_key(
            version=VERSION,
            libraries={name: version(name) for name in ("torch", "timm")},
            evaluation=self.terms.evaluation,
            features=self.terms.features[params.model.backbone],
            fold=[fold, positions.tolist()],
            model=params.model.model_dump(),
            train=params.train.model_dump(exclude={"checkpoint_every", "ensemble", "min_precision"}),
        )

    @property
    def _limits(self) -> dict[str, Any]:
        return self.params.search.confirm.model_dump(include={"timeout_sec", "memory_mb"})

    @property
    def _num_workers(self) -> int:
        """How many trainings run side by side, each on one core; a GPU is not shared."""
        if torch.cuda.is_available():
            return 1
        num_workers, memory_mb = resolve_num_workers(self.params.engine.num_workers), self._limits["memory_mb"]
        if memory_mb is None:
            return num_workers
        return max(1, min(num_workers, (psutil.virtual_memory().available >> 20) // memory_mb))


def _take(attempt: Attempt, outcome: Training | str | None) -> None:
    if isinstance(outcome, Training):
        attempt.trainings.append(outcome)
    else:
        attempt.reason = outcome


def _work(train: TrainFold, job: _Job) -> Training | _Unreadable:
    began = time.time()
    keep_freed_memory()
    try:
        return Training(train(job.task), began, time.time())
    except StoreError as error:
        return _Unreadable(str(error))
