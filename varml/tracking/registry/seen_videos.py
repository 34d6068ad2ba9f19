"""Which test videos a model was trained on: those of its training are kept with its run, for splits change."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from varml.data.manifest import write_table
from varml.tracking.runs import TrackedRun

FILE = "training_videos.csv"
COLUMNS = ["digest", "group"]


def log_training_videos(run: TrackedRun, rows: pd.DataFrame) -> None:
    """Keep with ``run`` the manifest's ``rows`` that it trains on."""
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder, FILE), rows[COLUMNS])
        run.log_artifact(Path(folder, FILE))


def training_videos(run: TrackedRun) -> pd.DataFrame | None:
    """Return what :func:`log_training_videos` kept, or None where there is nothing."""
    if FILE not in {item.path for item in run.client.list_artifacts(run.run_id)}:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = run.client.download_artifacts(run.run_id, FILE, folder)
        return pd.read_csv(file, dtype="str", keep_default_na=False)


def groups_tell(training: pd.DataFrame, test: pd.DataFrame) -> bool:
    """Return whether a group tells what a model has seen: not where groups stand on both sides of these splits."""
    return not set(training["group"]) & set(test["group"])


def is_seen(test: pd.DataFrame, training: pd.DataFrame, *, by_group: bool) -> pd.Series:
    """Return for each row of ``test`` 1 where its video, or ``by_group`` its group, is among ``training``, else 0."""
    seen = test["digest"].isin(training["digest"])
    if by_group:
        seen |= test["group"].isin(training["group"])
    return seen.astype(int)
