"""One model and a few videos for all tests of the service."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from service import MAX_BYTES, MAX_VIDEOS, Service, answering_folder, running


@pytest.fixture(scope="session")
def model_folder(made_once: Callable[[str, Callable[[Path], str]], Path]) -> Path:
    """A model that answers on real videos."""
    return made_once("serving_model", lambda folder: str(answering_folder(folder)))


@pytest.fixture(scope="session")
def files(videos: Path) -> list[Path]:
    """Three videos of different actions."""
    return [next(iter(sorted(folder.glob("*.mp4")))) for folder in sorted(videos.iterdir()) if folder.is_dir()]


@pytest.fixture(scope="session")
def video(files: list[Path]) -> bytes:
    """The bytes of one video."""
    return files[0].read_bytes()


@pytest.fixture(scope="module")
def service(model_folder: Path) -> Iterator[Service]:
    """A service of one lane that takes little and does not wait long; some files of tests have one of their own."""
    limits = {"max_body_mb": MAX_BYTES / 1e6, "max_videos": MAX_VIDEOS, "body_timeout_sec": 1, "header_timeout_sec": 1}
    with running(model_folder, num_lanes=1, **limits) as service:
        yield service


@pytest.fixture
def nothing_leaks(service: Service) -> Iterator[None]:
    """Check after a test that the service lives, and that nobody else can look into its folders."""
    yield
    assert service.ask("GET", "/ping").status == 200
    folders = list(Path(tempfile.gettempdir()).glob("varml-serve-*"))
    own = [folder for folder in folders if folder.stat().st_uid == psutil.Process().uids().real]
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in own)
