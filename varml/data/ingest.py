"""From scanned files to the manifest: probe, quarantine, groups, splits, data card."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from varml.config.params import Ingest, Params
from varml.data.card import data_card
from varml.data.clips import clip_fault, end_within
from varml.data.copy_rules import NOT_LOOKED_FOR
from varml.data.duplicates import find_pairs
from varml.data.labels import check_class_sizes
from varml.data.manifest import COLUMNS, video_id_of
from varml.data.mirror_pairs import mirror_warnings
from varml.data.names import to_text
from varml.data.scan import ScannedFile
from varml.data.split_files import split_files
from varml.errors import DataError
from varml.ground.content_key import content_key
from varml.ground.engine import map_isolated, resolve_num_workers
from varml.ground.memory import Memory
from varml.ground.progress import progress
from varml.video.probe import VideoInfo, probe_limit_sec, probe_video

# Raise it when probing the same file may say something else.
PROBE_VERSION = 6


@dataclass(frozen=True)
class Ingested:
    """Readable videos with their splits, unreadable ones with their reasons, and the facts of both."""

    manifest: pd.DataFrame
    quarantine: pd.DataFrame
    card: dict[str, Any]


def ingest(files: list[ScannedFile], source: Path, params: Params, memory: Memory) -> Ingested:
    """Probe each file and give each readable video its group and split.

    Raises DataError where too many files are unreadable, a class keeps too few videos, no split is possible, or
    copies stand on two sides of it.
    """
    infos, reasons = _probe_all(files, source, params, memory)
    readable, quarantine = _sort_out(files, infos, reasons)
    _check_bad_fraction(quarantine, len(files), params.data.max_bad_fraction)
    check_class_sizes([file.label for file in readable], params.data.min_videos_per_class, "readable videos")
    pairs = None if params.ingest.duplicates == "ignore" else find_pairs(readable, infos)
    groups, splits = split_files(readable, pairs or (), params)
    splits.warnings += [NOT_LOOKED_FOR] if pairs is None else []
    splits.warnings += mirror_warnings(params.data.mirror_pairs, {file.label for file in readable})
    rows = [
        {
            **asdict(file),
            **asdict(infos[file.path]),
            "path": to_text(file.path),
            "end_sec": end_within(file, infos[file.path].duration_sec),
            "video_id": video_id_of(*file.clip),
            "group": group,
            "split": split,
        }
        for file, group, split in zip(readable, groups, splits.names.tolist(), strict=True)
    ]
    manifest = pd.DataFrame(rows, columns=COLUMNS)
    return Ingested(manifest, quarantine, data_card(manifest, quarantine, splits, pairs))


def _reason_before_opening(file: ScannedFile, source: Path) -> str | None:
    if not file.digest:
        return "does not exist"
    return None


def _probe_key(file: ScannedFile, params: Ingest) -> str:
    # decord opens no name that is not UTF-8, so what is found of a copy with another name does not hold for it.
    name = "utf-8" if _is_utf8(file.path) else "bytes"
    return content_key(
        video=file.digest, name=name, reader=params.probe.reader, frame_rate=params.frame_rate, version=PROBE_VERSION
    )


def _is_utf8(path: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in path)


def _probe_all(
    files: list[ScannedFile], source: Path, params: Params, memory: Memory
) -> tuple[dict[str, VideoInfo], dict[str, str]]:
    keys = {file.path: _probe_key(file, params.ingest) for file in files}
    reasons = {file.path: reason for file in files if (reason := _reason_before_opening(file, source))}
    found = {key: VideoInfo(**known) for key, known in memory.get(keys.values()).items()}
    # Of copies one is probed.
    new = {keys[file.path]: file for file in files if keys[file.path] not in found and file.path not in reasons}
    by_path = {source / file.path: file for file in new.values()}
    failed: dict[str, str] = {}
    probe = params.ingest.probe
    outcomes = map_isolated(
        partial(probe_video, limits=probe, frame_rate=params.ingest.frame_rate),
        list(by_path),
        num_workers=resolve_num_workers(params.engine.num_workers),
        timeout_sec=lambda path: probe_limit_sec(probe, by_path[path].size),
        memory_mb=probe.memory_mb,
    )
    for outcome in progress(outcomes, len(by_path), "probe"):
        key = keys[by_path[outcome.item].path]
        if outcome.result is None:
            failed[key] = str(outcome.reason)
        else:
            found[key] = outcome.result
            memory.put({key: asdict(outcome.result)})
    reasons |= {path: failed[key] for path, key in keys.items() if key in failed and path not in reasons}
    return {path: found[key] for path, key in keys.items() if path not in reasons}, reasons


def _sort_out(
    files: list[ScannedFile], infos: dict[str, VideoInfo], reasons: dict[str, str]
) -> tuple[list[ScannedFile], pd.DataFrame]:
    readable, left_out = [], []
    for file in files:
        reason = reasons.get(file.path) or clip_fault(file, infos[file.path].duration_sec)
        if reason:
            left_out.append([to_text(file.path), reason, file.start_sec, file.end_sec])
        else:
            readable.append(file)
    return readable, pd.DataFrame(left_out, columns=["path", "reason", "start_sec", "end_sec"])


def _check_bad_fraction(quarantine: pd.DataFrame, total: int, limit: float) -> None:
    if len(quarantine) <= limit * total:
        return
    listed = "\n".join(f"  '{row.path}' {row.reason}" for row in quarantine.head(10).itertuples())
    more = f"\n  and {len(quarantine) - 10} more" if len(quarantine) > 10 else ""
    raise DataError(
        f"{len(quarantine)} of {total} files cannot be read, more than data.max_bad_fraction = {limit:g} allows; "
        f"mend or remove them, or raise the limit:\n{listed}{more}"
    )
