"""What the tests of tracking share: a project with a real MLflow store, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tracked_root(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """The root of a project with a store."""
    root = tmp_path_factory.mktemp("tracked")
    (root / ".dvc").mkdir()
    shutil.copy(empty_store, root)
    return root


@pytest.fixture
def project(tracked_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as the current one; tests keep apart by the names of their experiments and models."""
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tracked_root)
    return tracked_root


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for an experiment or a model that no other test has."""
    return "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
