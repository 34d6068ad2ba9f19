"""Stores the features of each video and each backbone of the search space that have none yet, in each view."""

from pathlib import Path

from pipelines._stage import run_stage
from varml.config.params import Params
from varml.config.space import needed_features
from varml.config.views import View
from varml.data.manifest import read_manifest
from varml.flow.store import flow_files
from varml.ground.engine import map_parallel
from varml.ground.paths import FEATURES, MANIFEST
from varml.ground.progress import progress
from varml.models.feature_files import feature_files
from varml.video.frames import frames_files


def main(params: Params) -> None:
    """The baseline uses ``model.backbone``, so its features are stored too."""
    FEATURES.mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(MANIFEST)
    frames = frames_files(manifest, params.frames)
    flow = flow_files(manifest, params.frames, params.flow)
    for backbone, view in needed_features(params):
        targets = feature_files(manifest, params, backbone, view=view)
        missing = [paths for paths in zip(frames, flow, targets, strict=True) if not paths[2].exists()]
        if missing:
            _extract(missing, backbone, view, params)


def _extract(missing: list[tuple[Path, Path, Path]], backbone: str, view: View, params: Params) -> None:
    # Here and not above: torch and timm are slow to import, and there may be nothing to do.
    from varml.models.features import FeatureTask, extract_features

    tasks = [FeatureTask(*paths, backbone, params.features, view) for paths in missing]
    done = map_parallel(extract_features, tasks, num_workers=params.engine.num_workers)
    for _ in progress(done, len(tasks), ", ".join(filter(None, [backbone, view.name]))):
        pass


if __name__ == "__main__":
    run_stage("extract_features", main)
