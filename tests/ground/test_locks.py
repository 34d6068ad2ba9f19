"""One process a stage in one project: the second is told who the first is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from holder import stage_at_work

from varml.errors import StoreError
from varml.ground.locks import exclusive

Enter = Callable[[Path], None]


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Enter:
    """A function that makes a folder the current project."""
    monkeypatch.delenv("DVC_ROOT", raising=False)

    def entered(root: Path) -> None:
        (root / ".dvc").mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(root)

    return entered


@pytest.fixture
def root(tmp_path: Path, enter: Enter) -> Path:
    enter(tmp_path / "project")
    return tmp_path / "project"


def held(name: str) -> bool:
    try:
        with exclusive(name):
            return False
    except StoreError:
        return True


def test_a_second_process_is_refused_with_the_id_of_the_first(root: Path):
    with stage_at_work(root, "scan") as first:
        refusal = rf"scan is at work already in this project \(process {first.pid}\); wait for it or end it"
        with pytest.raises(StoreError, match=refusal), exclusive("scan"):
            pass


def test_a_process_that_was_killed_holds_nothing(root: Path):
    with stage_at_work(root, "scan") as first:
        assert held("scan")
        first.kill()
        first.wait(10)
        assert not held("scan")


def test_another_stage_and_another_project_are_free(root: Path, tmp_path: Path, enter: Enter):
    with stage_at_work(root, "scan"):
        assert not held("ingest")
        enter(root / "inner")
        assert not held("scan")
        enter(tmp_path / "other")
        assert not held("scan")


def test_a_lock_is_of_the_project_wherever_in_it_a_process_is(root: Path, monkeypatch: pytest.MonkeyPatch):
    (root / "deep").mkdir()
    with stage_at_work(root, "scan"):
        monkeypatch.chdir(root / "deep")
        assert held("scan")


def test_a_lock_is_free_after_its_block_even_where_the_block_fails(root: Path):
    # The context manager lives on: what is held must not depend on when Python collects it.
    whole, failed = exclusive("scan"), exclusive("scan")
    with whole:
        assert held("scan")
    assert not held("scan")
    with pytest.raises(ZeroDivisionError), failed:
        raise ZeroDivisionError
    assert not held("scan")


def test_the_latest_holder_is_named(root: Path):
    with exclusive("scan"):
        pass
    with stage_at_work(root, "scan") as second, pytest.raises(StoreError, match=f"process {second.pid}"):
        exclusive("scan").__enter__()
    with exclusive("scan"), pytest.raises(StoreError, match=f"process {os.getpid()}"):
        exclusive("scan").__enter__()
