"""Where studies are kept, and the locks beside them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from searching import open_study

from varml.config import Params
from varml.errors import SearchError
from varml.search.parallel.storage import JOURNAL, VARIABLE, open_storage

HOLD = """
import sys, time
from pathlib import Path
from varml.search.parallel.storage import open_storage
with open_storage(Path(sys.argv[1])).locked("study"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_what_a_loss_of_power_left_of_a_line_is_cut_off(tmp_path: Path, params: Params) -> None:
    study = open_study(tmp_path, "one", params)
    study.tell(study.ask(), 0.5)
    journal = tmp_path / JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"worker_id":"')
    again = open_study(tmp_path, "one", params)
    again.tell(again.ask(), 0.7)
    assert journal.read_bytes().startswith(whole)
    assert [trial.value for trial in open_study(tmp_path, "one", params).trials] == [0.5, 0.7]


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with storage.held("study") as is_ours:
            assert not is_ours
        with storage.held("other") as is_ours:
            assert is_ours
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    with storage.locked("study"):
        pass
    with storage.held("study") as is_ours:
        assert is_ours


def test_no_lock_of_optuna_is_left_by_a_kill(tmp_path: Path, params: Params) -> None:
    """Optuna's own lock is a file that a killed process leaves behind, and others wait 30 s for it."""
    open_study(tmp_path, "one", params)
    (tmp_path / f"{JOURNAL}.lock").touch()
    open_study(tmp_path, "two", params).ask()


@pytest.mark.parametrize("address", ["mysql://a@b/c", "sqlite:///x.db", "nothing at all"])
def test_another_database_than_postgresql_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(SearchError, match=r"must be the address of a PostgreSQL database, .* and begins with"):
        open_storage(tmp_path)


def test_a_database_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://me:secret@127.0.0.1:1/none")
    with pytest.raises(SearchError, match=r"127\.0\.0\.1:1/none, which does not answer") as caught:
        open_storage(tmp_path)
    assert "secret" not in str(caught.value)
