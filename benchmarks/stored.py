"""Labelled videos stored as the extracting stages store them, in a folder of a benchmark's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from varml.config import Params
from varml.config.space import apply_values, searched_views
from varml.config.views import stored_views
from varml.flow.store import FlowTask, extract_flow, flow_files
from varml.ground.content_key import file_digest
from varml.ground.engine import map_parallel
from varml.ground.progress import progress
from varml.models.feature_files import feature_files
from varml.models.features import FeatureTask, extract_features
from varml.video.frames import FrameTask, extract_frames, frames_files
from varml.video.probe import clip_of, probe_video


@dataclass(frozen=True)
class Stored:
    """Rows of videos with the columns of a manifest, and where their frames, flow and features lie."""

    rows: pd.DataFrame
    params: Params
    folder: Path


def store(source: Path, rows: pd.DataFrame, params: Params, folder: Path) -> Stored:
    """Extract what is not stored yet of the videos that ``rows`` names by their paths below ``source``."""
    videos = [source / path for path in rows["path"]]
    rows = rows.assign(
        video_id=rows["path"], digest=[file_digest(v) for v in videos], reader="pyav", start_sec="", end_sec="", fps=0.0
    )
    wanted = apply_values(params, {"train.mirror": True})
    frames = frames_files(rows, params.frames, folder)
    _run(extract_frames, [FrameTask(clip_of(v, probe_video(v, params.ingest.probe)), f, params.frames)
                          for v, f in zip(videos, frames, strict=True) if not f.exists()], "frames")  # fmt: skip
    flow = flow_files(rows, params.frames, params.flow, folder)
    pairs = zip(frames, flow, strict=True)
    _run(extract_flow, [FlowTask(*pair, params.flow) for pair in pairs if not pair[1].exists()], "flow")
    backbone = params.model.backbone
    for view in stored_views(searched_views(wanted)):
        targets = feature_files(rows, params, backbone, folder, view=view)
        files = [three for three in zip(frames, flow, targets, strict=True) if not three[2].exists()]
        tasks = [FeatureTask(*three, backbone, params.features, view) for three in files]
        _run(extract_features, tasks, ", ".join(filter(None, [backbone, view.name])))
    return Stored(rows, wanted, folder)


def _run(work: Callable[[Any], None], tasks: list[Any], name: str) -> None:
    for _ in progress(map_parallel(work, tasks, num_workers=0), len(tasks), name) if tasks else ():
        pass
