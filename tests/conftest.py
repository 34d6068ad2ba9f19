"""One small real project, run once through DVC, that many tests look at, whatever process they run in."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from project import ACTIONS, Project, make_project

from varml.data.sample import make_sample
from varml.tracking.store import DATABASE, import_mlflow

# Tests run in one process a core, so each takes one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell that starts tests in the background makes them ignore Ctrl-C, and all that they start; some tests send it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the long pipelines first, so that no core waits for one at the end, nor all for the finished project."""
    waiting = list(dict.fromkeys(item.path for item in items if "finished" in getattr(item, "fixturenames", ())))

    def rank(item: pytest.Item) -> int:
        if item.get_closest_marker("pipeline") is None:
            return 3
        # One file makes the finished project, the next ones do without it.
        return 0 if item.path in waiting[:1] else 2 if item.path in waiting else 1

    items.sort(key=rank)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str, Callable[[Path], str]], Path]:
    """A function that makes a folder of the session once for all of pytest-xdist's processes.

    ``make`` gets the empty folder and returns its output, which is kept beside it in ``NAME.txt``.
    """
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent

    def made(name: str, make: Callable[[Path], str]) -> Path:
        folder, done = base / name, base / f"{name}.txt"
        with FileLock(base / f"{name}.lock"):
            if not done.exists():
                folder.mkdir()
                done.write_text(make(folder))
        return folder

    return made


@pytest.fixture(scope="session")
def empty_store(made_once: Callable[[str, Callable[[Path], str]], Path]) -> Path:
    """An MLflow database that holds nothing, to copy: making one takes a second and more."""

    def make(folder: Path) -> str:
        import_mlflow().MlflowClient(f"sqlite:///{folder / DATABASE}").search_experiments(max_results=1)
        return ""

    return made_once("empty_store", make) / DATABASE


@pytest.fixture(scope="session")
def videos(made_once: Callable[[str, Callable[[Path], str]], Path]) -> Path:
    """A folder of 24 labelled videos: three actions by four persons, twice."""

    def make(folder: Path) -> str:
        make_sample(folder, actions=ACTIONS, num_persons=4, clips_per_person=2)
        return ""

    return made_once("videos", make)


@pytest.fixture(scope="session")
def finished(made_once: Callable[[str, Callable[[Path], str]], Path], videos: Path) -> Project:
    """A project after its first ``dvc repro``; tests read it and do not change it."""
    folder = made_once("finished", lambda folder: make_project(folder, str(videos)).repro())
    return Project(folder, output=folder.with_suffix(".txt").read_text())
