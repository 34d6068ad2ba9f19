"""Makes the corpus: two class folders of files, and the record of each."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from varml.config import load_params

from .codecs import CODECS
from .containers import CONTAINERS
from .damaged import DAMAGED
from .hostile import HOSTILE
from .kit import Kit
from .names import NAMES
from .record import Entry, Record
from .shapes import SHAPES
from .timing import TIMING

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
# Params under which a project goes through all of the corpus.
SETTINGS: dict[str, dict[str, Any]] = {
    "ingest": {
        # One recording stands in most of its files, coded in all ways.
        "duplicates": "ignore",
        # Bombs burst on the pixels of all frames, which no load of this machine changes, long before the time limit.
        "probe": {**load_params(PARAMS).ingest.probe.model_dump(), "timeout_sec": 60, "max_video_gigapixels": 1},
    },
    "data": {"max_bad_fraction": 0.99, "min_videos_per_class": 3},
    "frames": {"num_segments": 8, "short_side_px": 64},
}
# A class needs videos that can be read; which group lies in which means nothing.
CLASSES = {"left": [*CODECS, *SHAPES, *NAMES], "right": [*CONTAINERS, *TIMING, *DAMAGED, *HOSTILE]}


def make_corpus(source: Path, work: Path) -> dict[str, Record]:
    """Write the corpus to the folder ``source`` and return the record of each path relative to it.

    ``work`` is a folder for what files are made from. Names that are no regular files are not among them.
    """
    entries = {f"{label}/{entry.record.name}": entry for label, group in CLASSES.items() for entry in group}
    assert len(entries) == sum(map(len, CLASSES.values())), "two files of one name"
    kit = Kit(work)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(lambda path: _make(entries[path], source / path, kit), entries))
    return {path: entry.record for path, entry in entries.items()}


def _make(entry: Entry, path: Path, kit: Kit) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    entry.make(path, kit)
