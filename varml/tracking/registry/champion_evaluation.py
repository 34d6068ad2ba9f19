"""The present champion on the present test videos, so that a new model can be compared with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from varml.config.params import Probe
from varml.data.manifest import clips_of, rows_digest
from varml.errors import VideoError
from varml.ground.engine import map_isolated
from varml.ground.progress import progress
from varml.inference.timing import NUM_TIMED, latency_ms
from varml.metrics.probability_columns import with_probabilities
from varml.tracking.flavor import load_model
from varml.tracking.registry.evaluations import Evaluation, log_evaluation, read_evaluation
from varml.tracking.registry.seen_videos import is_seen, training_videos
from varml.tracking.registry.versions import Version, champion_of
from varml.tracking.runs import TrackedRun
from varml.tracking.store import open_client
from varml.video.frame_folder import size_bytes
from varml.video.frames import FrameTask, frames_files, frames_of, read_frames
from varml.video.probe import probe_limit_sec
from varml.video.reader import Frames

Scores = npt.NDArray[np.float32]


def evaluate_champion(
    name: str, rows: pd.DataFrame, source: Path, limits: Probe, num_workers: int, *, by_group: bool
) -> None:
    """Keep what the champion of ``name`` says of the test videos ``rows`` with its run, unless it is there already.

    Videos that it was trained on are marked, and ``by_group`` those of the groups that it was trained on. It sees them
    by its own preprocessing, from stored frames where those are the same. Nothing happens where there is no champion.
    Raises ModelError, VideoError or StoreError where it cannot be loaded or a video cannot be read.
    """
    champion = champion_of(open_client(), name)
    if champion is None or champion.run is None:
        return
    if read_evaluation(champion.run, rows_digest(rows)) is None:
        seen = _seen(champion.run, rows, by_group=by_group)
        log_evaluation(champion.run, _evaluate(champion, rows.assign(seen=seen), source, limits, num_workers))


def _seen(run: TrackedRun, rows: pd.DataFrame, *, by_group: bool) -> pd.Series:
    training = training_videos(run)
    # Where nobody knows what it was trained on, nothing speaks for it that a model may have learned by heart.
    return is_seen(rows, training, by_group=by_group) if training is not None else pd.Series(1, index=rows.index)


def _evaluate(champion: Version, rows: pd.DataFrame, source: Path, limits: Probe, num_workers: int) -> Evaluation:
    predictor = load_model(champion.uri, champion.digest or None)
    params = predictor.model.description.preprocessing.frames
    files = frames_files(rows, params)
    tasks = [FrameTask(clip, file, params) for clip, file in zip(clips_of(rows, source), files, strict=True)]
    scores: dict[Path, Scores] = {}
    timed: list[Frames] = []
    for file, frames in progress(_frames_of(tasks, limits, num_workers), len(tasks), "champion"):
        scores[file] = predictor.score(frames)
        timed += [frames] if len(timed) < NUM_TIMED else []
    probabilities = np.stack([scores[file] for file in files])
    classes = np.asarray(predictor.classes, dtype=object)
    table = rows[["video_id", "label", "seen"]].assign(predicted=classes[probabilities.argmax(1)])
    answers = with_probabilities(table, probabilities, predictor.classes)
    return Evaluation(rows_digest(rows), champion.digest, latency_ms(predictor, timed), answers)


def _frames_of(tasks: list[FrameTask], limits: Probe, num_workers: int) -> Iterator[tuple[Path, Frames]]:
    """Yield the frames of each task, with the file that they are or would be stored in."""
    strange = [task for task in tasks if not task.target.exists()]
    for path in (task.clip.source.path for task in strange):
        if not path.exists():
            raise VideoError(f"{path} does not exist, and frames as the champion sees them are not stored")
    for file in (task.target for task in tasks if task.target.exists()):
        yield file, read_frames(file)
    outcomes = map_isolated(
        frames_of,
        strange,
        num_workers=num_workers,
        timeout_sec=lambda task: probe_limit_sec(limits, size_bytes(task.clip.source.path)),
        memory_mb=limits.memory_mb,
    )
    for outcome in outcomes:
        if outcome.result is None:
            raise VideoError(f"{outcome.item.clip.source.path} {outcome.reason}")
        yield outcome.item.target, outcome.result
