"""Confirmations of searches on made-up features, whose trainings end to end do what their values say."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from searching import Load, Made, terms_of

from varml.config import Params
from varml.data.dataset import FeatureSet
from varml.errors import StoreError, TrainingError
from varml.search.confirmation.confirm import Confirmation, Confirmer
from varml.search.objective import Objective
from varml.search.results import write_results
from varml.tracking.runs import TrackedRun
from varml.training.cross_validation import FoldResult
from varml.training.end_to_end import EndToEndTask

TrainFold = Callable[[EndToEndTask], FoldResult]
# What train.finetune.num_epochs stands for.
GOOD, BAD, CRASH, ABORT, HANG, HUNGRY, RAISE, NO_NUMBER, UNREADABLE = range(1, 10)
TIMEOUT_SEC, MEMORY_MB = 12.0, 1000
REASONS = {
    CRASH: "its process ended by SIGSEGV",
    ABORT: "its process ended by SIGABRT",
    HANG: "took longer than its limit of 12 s",
    HUNGRY: "took more memory than its limit of 1000 MB",
    RAISE: "ZeroDivisionError: a defect",
    NO_NUMBER: "the loss is nan",
}


def behave(task: EndToEndTask) -> FoldResult:
    """Do in a worker process what the epochs of the task say: it is all right, all wrong, or comes to no end."""
    how = task.params.train.finetune.num_epochs
    if how == CRASH:
        ctypes.string_at(0)
    if how == ABORT:
        os.abort()
    if how == HANG:
        time.sleep(600)
    if how == HUNGRY:
        kept = [b"x" * (64 << 20) for _ in range(60)]
        time.sleep(600 * len(kept))
    if how == RAISE:
        raise ZeroDivisionError("a defect")
    if how == NO_NUMBER:
        raise TrainingError("the loss is nan")
    if how == UNREADABLE:
        raise StoreError("frames are gone")
    return answer(task, right=how == GOOD)


def answer(task: EndToEndTask, right: bool) -> FoldResult:
    """Return sure answers on the validated videos, all right or all wrong."""
    true = (task.rows["label"].iloc[task.positions] == "right").to_numpy().astype(int)
    said = np.where(np.eye(2)[true if right else 1 - true] > 0, 0.9, 0.1).astype(np.float32)
    late = task.params.model.fusion == "late"
    # RGB alone knows, so that a weight of the streams can be fitted.
    streams = {"rgb": said, "flow": said[:, ::-1].copy()} if late else None
    return FoldResult(task.fold, task.positions, said, streams, [{"train_loss": 2.0}, {"train_loss": 1.0}])


def never(task: EndToEndTask) -> FoldResult:
    """End the process: what is kept needs no training."""
    os._exit(9)


def rows_of(data: FeatureSet) -> pd.DataFrame:
    labels = [data.classes[label] for label in data.labels]
    return pd.DataFrame({"video_id": data.video_ids, "label": labels, "group": data.groups, "split": "train"})


@dataclass
class Confirmed:
    """A confirmed search, with all that confirming it needs."""

    made: Made
    params: Params
    load: Load
    folds: list[np.ndarray]
    confirmation: Confirmation

    @property
    def parent(self) -> TrackedRun:
        return self.made.parent


def confirm(
    made: Made, params: Params, load: Load, folds: list[np.ndarray], train: TrainFold = behave
) -> Confirmation | None:
    confirmer = Confirmer(
        params, rows_of(load("small")), Objective(params, load, folds), terms_of(params), made.folder / made.name,
        made.parent, train,
    )  # fmt: skip
    return confirmer.confirm(made.result)


def epochs(*choices: int) -> dict[str, Any]:
    """Return a space that trains as each of ``choices`` says."""
    return {"train": {"unfreeze": {"choices": ["all"]}, "finetune": {"num_epochs": {"choices": list(choices)}}}}


def confirmed_outs(made: Made, params: Params, confirmation: Confirmation | None, folder: Path) -> dict[str, bytes]:
    names = ["best.yaml", "trials.csv", "oof.npz", "baseline.json", "search.json"]
    write_results(made.result, params, *(folder / name for name in names), confirmation)
    return {name: (folder / name).read_bytes() for name in names}
