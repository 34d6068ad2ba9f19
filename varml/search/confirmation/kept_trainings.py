"""Trainings end to end that are over, kept beside the study, so that a search that goes on trains none of them again.

A file is named by the key of its training, which stands for all that it depends on. So a training is found in the
folders of other studies too: a space that has grown has another study, and the same trial in it the same training.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from varml.ground.atomic import write_bytes, write_json
from varml.training.checkpoint import Checkpoint
from varml.training.cross_validation import FoldResult

# What else is in the file of a training: what each stream says, by its name.
STREAM = "stream_"


@dataclass(frozen=True)
class Training:
    """A finished training of one fold, and when it began and ended, in seconds of the epoch."""

    result: FoldResult
    began: float
    ended: float


def keep_training(folder: Path, key: str, training: Training) -> None:
    """Keep a finished training; ``folder`` belongs to its study alone."""
    result, buffer = training.result, io.BytesIO()
    told = {"index": result.index, "epochs": result.epochs, "began": training.began, "ended": training.ended}
    arrays: dict[str, Any] = {"positions": result.positions, "probabilities": result.probabilities}
    arrays |= {f"{STREAM}{name}": said for name, said in (result.streams or {}).items()}
    np.savez(buffer, allow_pickle=False, told=json.dumps(told), **arrays)
    write_bytes(_file(folder, key), buffer.getvalue())


def kept_training(folder: Path, key: str) -> Training | None:
    """Return the training of this study, or of another one beside it, which is then kept here too.

    None where none was kept or can be read.
    """
    own = _file(folder, key)
    for file in [own, *sorted(folder.parent.glob(f"*/{own.name}"))]:
        training = _read(file)
        if training is not None:
            if file != own:
                write_bytes(own, file.read_bytes())
            return training
    return None


def keep_failure(folder: Path, key: str, reason: str, limits: object) -> None:
    """Keep why a training failed under these ``limits``."""
    write_json(_failure(folder, key), {"reason": reason, "limits": limits})


def kept_failure(folder: Path, key: str, limits: object) -> str | None:
    """Return why the training failed under the same ``limits``, or None where it did not or it cannot be read."""
    try:
        failure = json.loads(_failure(folder, key).read_text(encoding="utf-8"))
        return str(failure["reason"]) if failure["limits"] == limits else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def training_checkpoint(folder: Path, key: str, every: int) -> Checkpoint | None:
    """Return the checkpoint of a training that is not over; None where none is kept."""
    return Checkpoint(folder / f"training-{key}.checkpoint", key, every) if every else None


def forget_checkpoints(folder: Path) -> None:
    """Remove what interrupted trainings have left: all are over."""
    for file in folder.glob("training-*.checkpoint"):
        file.unlink()


def _file(folder: Path, key: str) -> Path:
    return folder / f"confirmed-{key}.npz"


def _failure(folder: Path, key: str) -> Path:
    return folder / f"failed-{key}.json"


def _read(file: Path) -> Training | None:
    try:
        with np.load(file, allow_pickle=False) as stored:
            told = json.loads(str(stored["told"]))
            streams = {name.removeprefix(STREAM): stored[name] for name in stored if name.startswith(STREAM)}
            result = FoldResult(
                told["index"], stored["positions"], stored["probabilities"], streams or None, told["epochs"]
            )
            return Training(result, told["began"], told["ended"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
