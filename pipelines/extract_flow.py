"""Stores the optical flow of each video's stored frames that has none yet."""

from pipelines._stage import run_stage
from varml.config.params import Params
from varml.data.manifest import read_manifest
from varml.flow.store import FlowTask, clipped_fraction, extract_flow, flow_files
from varml.ground.atomic import write_json
from varml.ground.engine import map_parallel
from varml.ground.paths import FLOW, FLOW_METRICS, MANIFEST
from varml.ground.progress import progress
from varml.video.frames import frames_files


def main(params: Params) -> None:
    """The metrics say whether ``flow.bound_px`` cuts much."""
    FLOW.mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(MANIFEST)
    files = flow_files(manifest, params.frames, params.flow)
    tasks = [
        FlowTask(frames, target, params.flow)
        for frames, target in zip(frames_files(manifest, params.frames), files, strict=True)
        if not target.exists()
    ]
    done = map_parallel(extract_flow, tasks, num_workers=params.engine.num_workers)
    for _ in progress(done, len(tasks), "flow"):
        pass
    clipped = sum(map(clipped_fraction, files)) / len(files)
    write_json(FLOW_METRICS, {"clipped_fraction": round(clipped, 6), "num_videos": len(files)})


if __name__ == "__main__":
    run_stage("extract_flow", main)
