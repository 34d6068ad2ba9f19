"""One model and a few videos for all tests of the service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from service import answering_folder


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
