"""How a study is written into MLflow by several processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from planted import Planted
from searching import Made, search_with, terms_of, trial_runs

from varml.config import Params
from varml.config.space import apply_values
from varml.search.parallel.shared_study import SharedStudy, Work
from varml.search.search_log import SearchLog


@pytest.fixture
def made(searched: Params, project: Path, tmp_path: Path) -> Made:
    """A search that ended with one trial."""
    few = apply_values(searched, {"search.num_trials": 1})
    return search_with(Planted(few), few, tmp_path)


@pytest.fixture
def shared(searched: Params, made: Made) -> SharedStudy:
    """Its study, which is to have one more."""
    more = apply_values(searched, {"search.num_trials": 2})
    return SharedStudy.open(Work(more, made.folder, made.name, terms_of(more), Planted(more)))


def fail_next(shared: SharedStudy) -> None:
    trial = shared.next_trial()
    assert trial is not None
    shared.fail(trial, "broken")


def test_nothing_is_written_beside_another_process_that_writes(made: Made, shared: SharedStudy) -> None:
    def write() -> None:
        with SearchLog(shared, made.parent, made.result.baseline).kept() as wake:
            wake()

    thread = Thread(target=write)
    with shared.storage.held(f"{made.name}-log") as is_ours:
        assert is_ours
        fail_next(shared)
        thread.start()
        thread.join(2)
        assert thread.is_alive()  # it waits for its turn
        assert set(trial_runs(made.parent)) == {0}
    thread.join()
    assert set(trial_runs(made.parent)) == {0, 1}


def test_what_another_process_wrote_in_between_is_not_written_again(made: Made, shared: SharedStudy) -> None:
    other = SearchLog(shared, made.parent, made.result.baseline)

    @contextmanager
    def after_another(name: str) -> Iterator[None]:
        """Let a trial end and be written by another process, just before this one gets the lock."""
        fail_next(shared)
        with shared.storage.locked(name):
            other.catch_up()
        with shared.storage.locked(name):
            yield

    raced = replace(shared, storage=replace(shared.storage, locked=after_another))
    with SearchLog(raced, made.parent, made.result.baseline).kept() as write:
        write()
    assert set(trial_runs(made.parent)) == {0, 1}  # each once
