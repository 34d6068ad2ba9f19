"""Stores the sampled frames of each video that has none yet."""

from pipelines._stage import run_stage
from varml.config.check import source_folder
from varml.config.params import Params
from varml.data.manifest import clips_of, read_manifest
from varml.errors import VideoError
from varml.ground.engine import map_isolated
from varml.ground.paths import FRAMES, MANIFEST
from varml.ground.progress import progress
from varml.video.frame_folder import size_bytes
from varml.video.frames import FrameTask, extract_frames, frames_files
from varml.video.probe import probe_limit_sec


def main(params: Params) -> None:
    """Files of earlier params or of videos that left stay; `varml clean` removes them."""
    FRAMES.mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(MANIFEST)
    source = source_folder(str(params.data.source))
    tasks = [
        FrameTask(clip, target, params.frames)
        for clip, target in zip(clips_of(manifest, source), frames_files(manifest, params.frames), strict=True)
        if not target.exists()
    ]
    outcomes = map_isolated(
        extract_frames,
        tasks,
        num_workers=params.engine.num_workers,
        timeout_sec=lambda task: probe_limit_sec(params.ingest.probe, size_bytes(task.clip.source.path)),
        memory_mb=params.ingest.probe.memory_mb,
    )
    for outcome in progress(outcomes, len(tasks), "frames"):
        if outcome.reason:
            raise VideoError(
                f"{outcome.item.clip.source.path} {outcome.reason}, though ingest could read it; run `dvc repro` again "
                "if it was changed meanwhile, or raise ingest.probe.timeout_sec or ingest.probe.memory_mb"
            )


if __name__ == "__main__":
    run_stage("extract_frames", main)
