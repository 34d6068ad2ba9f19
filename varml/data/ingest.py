"""From scanned files to the manifest: probe, quarantine, groups, splits, data card."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from varml.config.params import Params
from varml.data import duplicates
from varml.data.duplicates import Pair, find_pairs
from varml.data.labels import check_class_sizes
from varml.data.manifest import COLUMNS, video_id_of
from varml.data.scan import ScannedFile
from varml.data.splits import Splits, make_splits
from varml.errors import DataError
from varml.ground.engine import map_isolated, resolve_num_workers
from varml.ground.memory import Memory
from varml.ground.progress import progress
from varml.video.probe import VideoInfo, probe_limit_sec, probe_video

# Raise it when probing the same file may say something else.
PROBE_VERSION = 3


@dataclass(frozen=True)
class Ingested:
    """Readable videos with their splits, unreadable ones with their reasons, and the facts of both."""

    manifest: pd.DataFrame
    quarantine: pd.DataFrame
    card: dict[str, Any]


def ingest(files: list[ScannedFile], source: Path, params: Params, memory: Memory) -> Ingested:
    """Probe each file and give each readable video its group and split.

    Raises DataError where too many files are unreadable, a class keeps too few videos, or no split is possible.
    """
    infos, reasons = _probe_all(files, source, params, memory)
    left_out = sorted((printable_path(path), reason) for path, reason in reasons.items())
    quarantine = pd.DataFrame(left_out, columns=["path", "reason"])
    _check_bad_fraction(quarantine, len(files), params.data.max_bad_fraction)
    readable = [file for file in files if file.path in infos]
    check_class_sizes([file.label for file in readable], params.data.min_videos_per_class, "readable videos")
    looked_for = params.ingest.duplicates != "ignore"
    pairs = find_pairs(readable, infos) if looked_for else []
    groups, splits = _split(readable, pairs, params)
    warnings = splits.warnings if looked_for else [*splits.warnings, duplicates.NOT_LOOKED_FOR]
    rows = [
        {
            **asdict(file),
            **asdict(infos[file.path]),
            "video_id": video_id_of(file.path),
            "group": group,
            "split": split,
        }
        for file, group, split in zip(readable, groups, splits.names.tolist(), strict=True)
    ]
    manifest = pd.DataFrame(rows, columns=COLUMNS)
    return Ingested(manifest, quarantine, _data_card(manifest, quarantine, pairs, warnings))


def group_of(file: ScannedFile, pattern: str | None) -> str:
    """Return the group written for a file, else what ``pattern`` finds in its path, else the path itself."""
    if file.group:
        return file.group
    match = re.search(pattern, file.path) if pattern else None
    return match.group(0) if match else file.path


def _split(files: list[ScannedFile], pairs: list[Pair], params: Params) -> tuple[list[str], Splits]:
    """Return the group and the split of each file, so that copies stand on one side or are refused."""
    paths, labels, given = ([getattr(file, name) for file in files] for name in ("path", "label", "split"))
    groups = [group_of(file, params.ingest.group_from) for file in files]
    duplicates.refuse_crossing(pairs, dict(zip(paths, given, strict=True)), duplicates.MOVE_THEM)
    joined = duplicates.join(pairs, paths, groups)
    splits = make_splits(
        labels,
        joined if params.ingest.duplicates == "group" else groups,
        given,
        test_fraction=params.ingest.test_fraction,
        val_fraction=params.ingest.val_fraction,
        seed=params.seed,
    )
    sides = dict(zip(paths, splits.names.tolist(), strict=True))
    if params.ingest.duplicates == "refuse":
        duplicates.refuse_crossing(pairs, sides, duplicates.GROUP_THEM)
    splits.warnings += duplicates.warn_of_parted(pairs, sides)
    splits.warnings += duplicates.warn_of_labels(pairs, dict(zip(paths, labels, strict=True)))
    # Copies that already stand in one split share a group as well, so that no fold of the search parts them.
    return joined, splits


def printable_path(path: str) -> str:
    """Return ``path`` with each byte that is not UTF-8 and each control character written as an escape."""
    text = os.fsencode(path).decode("utf-8", errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _reason_before_opening(file: ScannedFile) -> str | None:
    if not file.digest:
        return "does not exist"
    # Tables and databases hold text; a name that is none, or that a CSV reader splits, would come back as another.
    if "\r" in file.path or (not file.path.isascii() and printable_path(file.path) != file.path):
        return "its name is not UTF-8 text in one line; rename it"
    return None


def _probe_all(
    files: list[ScannedFile], source: Path, params: Params, memory: Memory
) -> tuple[dict[str, VideoInfo], dict[str, str]]:
    known = memory.get_all()
    keys = {file.path: f"{PROBE_VERSION}|{file.digest}" for file in files}
    reasons = {file.path: reason for file in files if (reason := _reason_before_opening(file))}
    infos = {path: VideoInfo(**known[key]) for path, key in keys.items() if key in known and path not in reasons}
    by_path = {source / f.path: f for f in files if f.path not in infos and f.path not in reasons}
    probe = params.ingest.probe
    outcomes = map_isolated(
        probe_video,
        list(by_path),
        num_workers=resolve_num_workers(params.engine.num_workers),
        timeout_sec=lambda path: probe_limit_sec(probe, by_path[path].size),
        memory_mb=probe.memory_mb,
    )
    for outcome in progress(outcomes, len(by_path), "probe"):
        file = by_path[outcome.item]
        if outcome.result is None:
            reasons[file.path] = str(outcome.reason)
        else:
            infos[file.path] = outcome.result
            memory.put({f"{PROBE_VERSION}|{file.digest}": asdict(outcome.result)})
    return infos, reasons


def _check_bad_fraction(quarantine: pd.DataFrame, total: int, limit: float) -> None:
    if len(quarantine) <= limit * total:
        return
    listed = "\n".join(f"  {row.path!r} {row.reason}" for row in quarantine.head(10).itertuples())
    more = f"\n  and {len(quarantine) - 10} more" if len(quarantine) > 10 else ""
    raise DataError(
        f"{len(quarantine)} of {total} files cannot be read, more than data.max_bad_fraction = {limit:g} allows; "
        f"mend or remove them, or raise the limit:\n{listed}{more}"
    )


def _data_card(
    manifest: pd.DataFrame, quarantine: pd.DataFrame, pairs: list[Pair], warnings: list[str]
) -> dict[str, Any]:
    counts = manifest.groupby(["label", "split"]).size().unstack(fill_value=0)
    return {
        "num_videos": len(manifest),
        "num_groups": int(manifest["group"].nunique()),
        "videos_by_class_and_split": {str(k): {str(s): int(n) for s, n in row.items()} for k, row in counts.iterrows()},
        "videos_by_reader": {str(k): int(n) for k, n in sorted(Counter(manifest["reader"]).items())},
        "duration_sec": {
            q: float(manifest["duration_sec"].quantile(p)) for q, p in (("min", 0), ("median", 0.5), ("max", 1))
        },
        "num_quarantined": len(quarantine),
        "quarantined_by_reason": {str(k): int(n) for k, n in sorted(Counter(quarantine["reason"]).items())},
        **duplicates.card_of(pairs),
        "warnings": warnings,
    }
