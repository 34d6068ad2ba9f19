"""The manifest: one row per readable video, the contract between ingest and every later stage."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from varml.data.names import from_text
from varml.errors import DataError
from varml.ground.atomic import write_text
from varml.ground.content_key import content_key
from varml.video.clip import Clip
from varml.video.reader import Source

COLUMNS = [
    "video_id", "path", "label", "group", "split", "start_sec", "end_sec", "num_frames", "fps", "duration_sec", "width",
    "height", "rotation_deg", "flipped", "sample_aspect_ratio", "codec", "pixel_format", "num_video_streams",
    "num_audio_streams", "reader", "indexed", "digest",
]  # fmt: skip
_TEXT = [
    "video_id", "path", "label", "group", "split", "start_sec", "end_sec", "codec", "pixel_format", "reader", "digest",
]  # fmt: skip
_ID_LENGTH = 16


def video_id_of(path: str, start_sec: str = "", end_sec: str = "") -> str:
    """Return the first 16 hexadecimal digits of the sha256 of a path relative to the data source.

    The times of a clip stand behind the path, and a NUL, which no path holds, between them.
    """
    times = f"\0{start_sec}\0{end_sec}" if start_sec else ""
    return hashlib.sha256(os.fsencode(path) + times.encode()).hexdigest()[:_ID_LENGTH]


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write ``table`` as CSV in one step, without its index."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_manifest(path: Path, splits: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the manifest's rows, of all videos or of those in ``splits``, in the order of the file.

    Paths are text as :func:`varml.data.names.to_text` writes it; :func:`video_path` gives the file.
    Raises DataError where the file is missing.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; run `dvc repro` first")
    types = dict.fromkeys(_TEXT, "str")
    table = pd.read_csv(path, dtype=types, keep_default_na=False)
    return table if splits is None else table[table["split"].isin(splits)].reset_index(drop=True)


def clips_of(manifest: pd.DataFrame, source: Path) -> list[Clip]:
    """Return how each row's clip is read; its video lies below ``source``."""
    return [
        Clip(
            Source(video_path(source, row.path), row.reader, row.num_frames, row.indexed, row.fps),
            row.width,
            row.height,
            float(row.start_sec or 0),
            float(row.end_sec) if row.end_sec else None,
        )
        for row in manifest.itertuples()
    ]


def rows_digest(rows: pd.DataFrame) -> str:
    """Return 32 hexadecimal digits that stand for these videos, by name and content, and their labels, in any order."""
    return content_key(rows=sorted(rows[["video_id", "digest", "label"]].values.tolist()))


def video_path(source: Path, text: str) -> Path:
    """Return where the video lies that stands as ``text`` in the manifest's column path."""
    return source / from_text(text)


def lengths_sec(manifest: pd.DataFrame) -> pd.Series:
    """Return how many seconds each row lasts: its clip, or the whole video."""
    start, end = (pd.to_numeric(manifest[column], errors="coerce") for column in ("start_sec", "end_sec"))
    return end.fillna(manifest["duration_sec"]) - start.fillna(0.0)


def class_names(manifest: pd.DataFrame) -> list[str]:
    """Return the labels in alphabetical order; a label's place is its class index."""
    return sorted(manifest["label"].unique())
