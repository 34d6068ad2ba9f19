"""Refits the winner on train and val and saves it as a model that turns raw video into scores."""

import sys

import pandas as pd

from pipelines._stage import run_stage
from varml.config.params import Params
from varml.config.space import searched_values
from varml.data.manifest import class_names, read_manifest
from varml.data.mirror_pairs import mirror_warnings
from varml.flow.estimator import estimator_state
from varml.ground.content_key import file_digest
from varml.ground.engine import resolve_num_workers
from varml.ground.paths import BEST, MANIFEST, MODEL
from varml.models.features import StreamBackbones, stream_backbones
from varml.models.model_files import FORMAT, Description, LoadedModel, Preprocessing, model_digest, save_model
from varml.search.results import read_best, winner_params
from varml.tracking.runs import KIND, MODEL_DIGEST, TrackedRun, create_run, reap_runs, tracked
from varml.tracking.store import tracking_errors
from varml.training.augmented import AugmentedFeatures
from varml.training.data import TRAINING_SPLITS, list_clips, load_features
from varml.training.loop import fit

# The backbone computes on one core here and takes longer than to read and change clips.
MAX_READERS = 4


@tracking_errors()
def main(params: Params) -> None:
    """The run is found again by the digest of the model that it made."""
    winner = winner_params(params, read_best(BEST))
    reap_runs(params.register_.experiment, "train")
    with tracked(create_run(params.register_.experiment, "train", {KIND: "train"})) as run:
        run.log_params({**searched_values(winner), "train.augment": winner.train.augment})
        run.log_dataset("manifest", file_digest(MANIFEST)[:32], "training")
        run.log_sources()
        save_model(MODEL, _train(winner, run))
        run.set_tags({MODEL_DIGEST: model_digest(MODEL)})
        run.log_artifact(BEST)


def _train(winner: Params, run: TrackedRun) -> LoadedModel:
    manifest = read_manifest(MANIFEST, splits=TRAINING_SPLITS)
    data = load_features(manifest, winner, winner.model.backbone)
    backbones = stream_backbones(
        winner.model.backbone, winner.features, winner.frames.frames_per_segment, winner.features.weights
    )
    recognizer = fit(
        data,
        winner.model,
        winner.train,
        seed=winner.seed,
        source=_augmented(manifest, winner, backbones) if winner.train.augment else None,
        on_epoch=lambda epoch, m: run.log_metrics(m, epoch),
    )
    description = Description(
        format=FORMAT,
        classes=data.classes,
        dim=data.dim,
        num_steps=data.num_steps,
        model=winner.model,
        preprocessing=Preprocessing(
            probe=winner.ingest.probe,
            frames=winner.frames,
            flow=winner.flow,
            features=winner.features,
        ),
    )
    return LoadedModel(
        description,
        backbones["rgb"],
        recognizer,
        estimator_state(winner.flow.estimator, winner.flow.weights),
        backbones["flow"] if backbones["flow"] is not backbones["rgb"] else None,
    )


def _augmented(manifest: pd.DataFrame, winner: Params, backbones: StreamBackbones) -> AugmentedFeatures:
    for warning in mirror_warnings(winner.data.mirror_pairs, class_names(manifest)):
        print(f"warning: {warning}", file=sys.stderr)
    return AugmentedFeatures(
        clips=list_clips(manifest, winner),
        backbones=backbones,
        features=winner.features,
        strength=winner.train.augment,
        seed=winner.seed,
        num_workers=min(resolve_num_workers(winner.engine.num_workers), MAX_READERS),
    )


if __name__ == "__main__":
    run_stage("train", main)
