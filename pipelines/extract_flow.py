"""Stores the optical flow of each video's stored frames that has none yet."""

from pathlib import Path

from pipelines._stage import run_stage
from varml.config.params import Params
from varml.data.manifest import read_manifest
from varml.flow.store import FlowTask, count_clipped, extract_flow, flow_files
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
    write_json(FLOW_METRICS, _metrics(files))


def _metrics(files: list[Path]) -> dict[str, float]:
    num_clipped, num_values = (sum(counts) for counts in zip(*map(count_clipped, files), strict=True))
    fraction = round(num_clipped / num_values, 6)
    return {
        "clipped_fraction": fraction,
        "num_clipped": num_clipped,
        "num_values": num_values,
        "num_videos": len(files),
    }


if __name__ == "__main__":
    run_stage("extract_flow", main)
