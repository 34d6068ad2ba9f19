"""One small real project, run once through DVC, that many tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import ACTIONS, Project, make_project

from varml.data.sample import make_sample


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 labelled videos: three actions by four persons, twice."""
    folder = tmp_path_factory.mktemp("videos") / "sample"
    make_sample(folder, actions=ACTIONS, num_persons=4, clips_per_person=2)
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, videos: Path) -> Project:
    """A project after its first ``dvc repro``; tests read it and do not change it."""
    project = make_project(tmp_path_factory.mktemp("project"), str(videos))
    project.output = project.repro()
    return project
