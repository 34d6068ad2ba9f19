"""The study as MLflow shows it: a child run for each trial that has ended, and a curve of the best value.

All of it follows from the study, so that any process can write it at any time; a lock sees to it that it is written
once. A thread writes beside the search, which goes on while MLflow does not answer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Event, Thread

from optuna.trial import FrozenTrial, TrialState

from varml.errors import TrackingError
from varml.search.baseline import Baseline
from varml.search.parallel.shared_study import SharedStudy
from varml.search.study import is_within, value_of
from varml.search.trial_runs import TRIAL, log_trial
from varml.tracking.runs import KIND, TrackedRun, children, create_run, delete_unfinished_children
from varml.tracking.store import ping_store, place_of_store, tracking_errors

# After it did not answer, MLflow is left alone for so long.
PAUSE_SEC = 20.0
# A request that hangs is not waited for longer when the search is over.
JOIN_SEC = 30.0
BASELINE = "baseline"


class SearchLog:
    """What is written of a study under its ``parent`` run."""

    def __init__(self, shared: SharedStudy, parent: TrackedRun, baseline: Baseline) -> None:
        self._shared, self._parent, self._baseline = shared, parent, baseline
        # Trials by number, and the baseline, that have their runs; unknown before a look, and after a fault.
        self._written: set[str] | None = None

    @contextmanager
    def kept(self) -> Iterator[Callable[[], None]]:
        """Write beside the block what ends in it, each time that the yielded function is called.

        Unless the block raises, all is written in the end, or TrackingError says what is not.
        """
        lock = f"{self._shared.work.name}-log"
        with self._as_far_as_it_goes():
            with self._shared.storage.held(lock) as is_ours, _beside(self._try_to_catch_up, is_ours) as wake:
                yield wake
            with self._shared.storage.locked(lock):
                self._written = None  # others may have written in between
                self.catch_up()

    def catch_up(self) -> None:
        """Write what is missing; only while no other process writes.

        Raises TrackingError where MLflow does not answer; what was half-written then is written anew.
        """
        with tracking_errors():
            try:
                if self._written is None:
                    self._written = self._look()
                self._write(self._written)
            except BaseException:
                self._written = None
                raise

    def _look(self) -> set[str]:
        ping_store()
        delete_unfinished_children(self._parent)
        tags = [run.data.tags for run in children(self._parent)]
        return {one[TRIAL] for one in tags if TRIAL in one} | {one[KIND] for one in tags if KIND in one}

    def _write(self, written: set[str]) -> None:
        experiment = self._shared.work.params.register_.experiment
        if BASELINE not in written:
            _log_baseline(self._baseline, self._parent, experiment)
            written.add(BASELINE)
        ended = sorted(self._shared.ended(), key=lambda trial: (trial.datetime_complete or datetime.min, trial.number))
        for count, trial in enumerate(ended, start=1):
            if str(trial.number) not in written:
                log_trial(trial, self._parent, experiment)
                self._log_best(ended[:count])
                written.add(str(trial.number))

    def _log_best(self, ended: list[FrozenTrial]) -> None:
        budget = self._shared.work.params.search.latency_budget_ms
        complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
        values = [value_of(trial) for trial in complete if is_within(trial, budget)]
        if values:
            self._parent.log_metrics({"best_value": max(values)}, step=len(ended))

    def _try_to_catch_up(self) -> bool:
        try:
            self.catch_up()
        except TrackingError as error:
            print(f"warning: {error}; the search goes on, and its trials are written later", file=sys.stderr)
            return False
        return True

    @contextmanager
    def _as_far_as_it_goes(self) -> Iterator[None]:
        try:
            yield
        except TrackingError as error:
            raise TrackingError(
                f"the search has its {len(self._shared.ended())} trials, and not all of them are in MLflow: {error}; "
                "the next `dvc repro` runs none of them again and writes those that are missing"
            ) from error


@contextmanager
def _beside(write: Callable[[], bool], is_ours: bool) -> Iterator[Callable[[], None]]:
    """Yield what lets a thread ``write``, which it does at the end too; nothing is written unless that ``is_ours``."""
    if not is_ours:
        yield lambda: None
        return
    with _Scribe(write) as scribe:
        yield scribe.wake


class _Scribe:
    """A thread that does ``write`` whenever it is woken, and a last time at the end; not while it has just failed."""

    def __init__(self, write: Callable[[], bool]) -> None:
        self._write = write
        self._woken, self._is_over, self._quiet_until = Event(), False, 0.0
        self._fault: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)  # a request may hang for minutes

    def wake(self) -> None:
        """Let it write soon."""
        self._woken.set()

    def __enter__(self) -> _Scribe:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._is_over = True
        self.wake()
        self._thread.join(JOIN_SEC)
        if kind is None and self._thread.is_alive():
            # To write beside it would write some twice.
            raise TrackingError(f"a request to the MLflow store {place_of_store()} hangs")
        if self._fault:
            raise self._fault

    def _run(self) -> None:
        try:
            is_last = False
            while not is_last:
                self._woken.wait()
                self._woken.clear()
                is_last = self._is_over
                if time.monotonic() >= self._quiet_until and not self._write():
                    self._quiet_until = time.monotonic() + PAUSE_SEC
        except BaseException as error:
            self._fault = error


def _log_baseline(baseline: Baseline, parent: TrackedRun, experiment: str) -> None:
    run = create_run(experiment, BASELINE, {KIND: BASELINE}, parent=parent)
    run.log_params({"model": "logistic regression on mean features", "model.backbone": baseline.backbone})
    run.log_metrics({"value": baseline.score, "val_top1": baseline.top1})
    run.finish("FINISHED")
