"""How a study is written into MLflow by several processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from planted import Planted
from searching import search_with, terms_of, trial_runs

from varml.config import Params
from varml.config.space import apply_values
from varml.search.parallel.shared_study import SharedStudy, Work
from varml.search.search_log import SearchLog


def test_what_another_process_wrote_in_between_is_not_written_again(
    searched: Params, project: Path, tmp_path: Path
) -> None:
    made = search_with(Planted(few := apply_values(searched, {"search.num_trials": 1})), few, tmp_path)
    more = apply_values(few, {"search.num_trials": 2})
    shared = SharedStudy.open(Work(more, tmp_path, made.name, terms_of(more), Planted(more)))
    other = SearchLog(shared, made.parent, made.result.baseline)

    @contextmanager
    def after_another(name: str) -> Iterator[None]:
        """Let a trial end and be written by another process, just before this one gets the lock."""
        trial = shared.next_trial()
        assert trial is not None
        shared.fail(trial, "broken")
        with shared.storage.locked(name):
            other.catch_up()
        with shared.storage.locked(name):
            yield

    raced = replace(shared, storage=replace(shared.storage, locked=after_another))
    with SearchLog(raced, made.parent, made.result.baseline).kept() as write:
        write()
    assert set(trial_runs(made.parent)) == {0, 1}  # each once
