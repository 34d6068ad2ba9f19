"""Out-of-fold predictions of finished trials, kept beside the study, so that a search that goes on has them all."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path

import numpy as np

from varml.ground.atomic import write_bytes
from varml.training.loop import Probabilities


def keep_predictions(folder: Path, number: int, oof: Probabilities) -> None:
    """Keep the predictions (N, K) of a trial; ``folder`` belongs to its study alone."""
    buffer = io.BytesIO()
    np.save(buffer, oof)
    write_bytes(_file(folder, number), buffer.getvalue())


def kept_predictions(folder: Path, number: int) -> Probabilities | None:
    """Return the predictions of a trial, or None where none were kept or they cannot be read."""
    try:
        return np.asarray(np.load(_file(folder, number), allow_pickle=False))
    except (OSError, ValueError, EOFError):
        return None


def forget_others(folder: Path, numbers: Collection[int]) -> None:
    """Remove the predictions of all trials but those with these ``numbers``: of many videos they are large."""
    for file in set(folder.glob("oof*.npy")) - {_file(folder, number) for number in numbers}:
        file.unlink()


def _file(folder: Path, number: int) -> Path:
    return folder / f"oof{number:05d}.npy"
