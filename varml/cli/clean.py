"""Which extracted files are no longer needed."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from varml.config.params import Params
from varml.config.space import needed_features
from varml.data.manifest import read_manifest
from varml.data.validation import TRAINING_SPLITS
from varml.errors import SearchError
from varml.flow.store import flow_files
from varml.ground.atomic import TEMPORARY_SUFFIX
from varml.ground.locks import exclusive
from varml.ground.paths import ADAPTED, ADAPTED_STREAMS, BEST, FEATURES, FLOW, FRAMES, MANIFEST, OUT_FOLDERS
from varml.models.feature_files import feature_files
from varml.training.adaptations import list_adaptations
from varml.training.checkpoint import Checkpoint
from varml.training.checkpoint_files import SUFFIX, checkpoint_folder, final_checkpoint
from varml.video.frames import frames_files

# The stages that write or list extracted files or checkpoints.
WRITERS = ("ingest", "extract_frames", "extract_flow", "extract_features", "adapt_features", "train")


def remove_unneeded(root: Path, params: Params, *, dry_run: bool = False) -> tuple[int, float]:
    """Remove what :func:`removable_files` finds in the project at ``root``; return how many files and MB.

    Raises StoreError while a stage that writes such files is at work: what it has just written is in no manifest.
    """
    with ExitStack() as stack:
        for stage in WRITERS:
            stack.enter_context(exclusive(stage))
        files = removable_files(root, params)
        size_mb = sum(file.stat().st_size for file in files) / 1e6
        if not dry_run:
            remove_files(files)
    return len(files), size_mb


def removable_files(root: Path, params: Params) -> list[Path]:
    """Return extracted files and checkpoints that nothing present needs, and temporary files of a kill.

    Raises DataError where there is no manifest to compare with.
    """
    manifest = read_manifest(root / MANIFEST)
    needed = {
        root / ADAPTED_STREAMS,
        *frames_files(manifest, params.frames, root),
        *flow_files(manifest, params.frames, params.flow, root),
    }
    for backbone, view in needed_features(params):
        needed |= set(feature_files(manifest, params, backbone, root, view=view))
    training = manifest[manifest["split"].isin(TRAINING_SPLITS)].reset_index(drop=True)
    needed |= {file for adaptation in list_adaptations(training, params, root) for file in adaptation.files}
    stored = [
        file for folder in (FRAMES, FLOW, FEATURES, ADAPTED) for file in (root / folder).rglob("*") if file.is_file()
    ]
    partial = [file for folder in OUT_FOLDERS for file in (root / folder).rglob(f".*{TEMPORARY_SUFFIX}")]
    return sorted({file for file in stored if file not in needed} | set(partial) | orphaned_checkpoints(root, params))


def orphaned_checkpoints(root: Path, params: Params) -> set[Path]:
    """Return the checkpoints of final trainings that no ranked trial of the project would go on from."""
    stored = set(checkpoint_folder().glob(f"*{SUFFIX}"))
    return stored - {checkpoint.file for checkpoint in _final_checkpoints(root, params)} if stored else stored


def _final_checkpoints(root: Path, params: Params) -> list[Checkpoint]:
    # Optuna and torch, which come along, are slow to import, and there is seldom a checkpoint.
    from varml.search.results import ranked_params, read_best

    try:
        best = read_best(root / BEST)
        ranked = [ranked_params(params, best, rank) for rank in range(len(best["ranked"]))]
        return [made for trial in ranked if (made := final_checkpoint(trial, root))]
    except (SearchError, OSError, ValueError):
        return []  # without trials of the present space there is nothing to train


def remove_files(files: list[Path]) -> None:
    """Remove files, and folders that a kill left half-written."""
    for file in files:
        if file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)
