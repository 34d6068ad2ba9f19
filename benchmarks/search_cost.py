"""What a trial on cached features costs against the same trial end to end, and the whole search against such trials.

100 clips (five of the embedded sample's six actions) and timm's resnet18. Its weights are random: they change no time,
and the values of these trials say nothing.

A cached trial is timed as a user waits for it, from its line to the next one, with Optuna's and MLflow's part; pruned
trials, which cost less, are left out, and so is the first, which loads the features. The end-to-end trial trains the
same recogniser with both backbones from stored frames and flow, in the same folds and batches. It would take hours, so
a few of its steps are timed and scaled to the whole: clips read and a step for each batch of each epoch of each fold,
and the answers on what a fold validates, in the faster of float32 and bfloat16. Augmentation is off, and starting
weights come for nothing. Those steps are timed before and after the search, and the faster time counts.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmarks.report import Figure
from benchmarks.search_project import Searched, extracted_project, run_search, study_folder
from benchmarks.watched import Watched
from varml.config import Params, load_params
from varml.config.space import apply_values
from varml.config.views import list_views
from varml.data.manifest import read_manifest
from varml.data.sample import make_sample
from varml.data.sample.actions import ACTIONS
from varml.data.validation import TRAINING_SPLITS, make_validation
from varml.ground.torchvision_shim import import_torchvision
from varml.models.features import StreamBackbones, stream_backbones
from varml.models.recognizer import Recognizer
from varml.models.video_network import VideoNetwork
from varml.training.augmented import AugmentedImages
from varml.training.batches import Batch, Draw, draw_batches, num_batches
from varml.training.clips import ClipSet
from varml.training.data import list_clips, load_features
from varml.training.finetuning import finetuning_values
from varml.training.precision import faster_precision
from varml.training.unfreezing import unfreeze

BACKBONE = "resnet18"
NUM_TRIALS, GOAL_TRIAL, GOAL_SEARCH, GOAL_MLFLOW_PERCENT = 20, 60, 40, 10
EXTRACTION = ("extract_frames", "extract_flow", "extract_features")
NUM_READ_BATCHES = 2


@dataclass(frozen=True)
class EndToEnd:
    """Seconds of an end-to-end training in one fold, and of the whole trial, by the parts that were timed."""

    read_sec: float  # of the clips of a batch
    step_sec: float  # of a training step on a batch, in the faster precision
    answer_sec: float  # of the answers on a batch, float32
    precision: str
    num_steps: list[int]  # of each fold
    num_answers: list[int]  # batches that each fold validates

    @property
    def fold_sec(self) -> list[float]:
        """Seconds of each fold's training and validation."""
        folds = zip(self.num_steps, self.num_answers, strict=True)
        return [s * (self.read_sec + self.step_sec) + a * (self.read_sec + self.answer_sec) for s, a in folds]

    @property
    def trial_sec(self) -> float:
        """Seconds of all folds."""
        return sum(self.fold_sec)


def measure_cost(work: Path, num_epochs: int | None, num_confirmations: int) -> list[Figure]:
    """Return what both kinds of trial and the whole search cost; all is done anew, on whatever else the machine does.

    ``num_epochs`` are those of an end-to-end training (None: ``train.finetune.num_epochs``), and so many
    ``num_confirmations``, end-to-end trainings on one fold, are added to the search.
    """
    folder = work.resolve() / f"cost-{time.time_ns()}"
    project, extraction = extracted_project(folder, _videos(folder.parent), None, _values(folder.parent))
    before = time_end_to_end(project, num_epochs)
    searched = run_search(study_folder(project, folder.with_name(f"{folder.name}-study"), {}))
    after = time_end_to_end(project, num_epochs)
    return cost_figures(min(before, after, key=lambda one: one.trial_sec), searched, extraction, num_confirmations)


def cost_figures(end_to_end: EndToEnd, searched: Searched, extraction: Watched, num_confirmations: int) -> list[Figure]:
    """Return the figures from what was timed."""
    cached_sec = statistics.fmean(searched.trial_sec())
    extraction_sec = sum(extraction.stage_sec[stage] for stage in EXTRACTION)
    # A fold as they are in the mean.
    confirmed_sec = num_confirmations * statistics.fmean(end_to_end.fold_sec)
    whole_sec = extraction_sec + searched.wall_sec + confirmed_sec
    load = os.getloadavg()[0]
    return [
        Figure("cost: processes that wanted one of the machine's cores in the last minute", load, ""),
        Figure("cost: a cached trial, mean of those not pruned", cached_sec, "s"),
        Figure(f"cost: reading a batch, end to end in {end_to_end.precision}", end_to_end.read_sec, "s"),
        Figure("cost: a training step on it", end_to_end.step_sec, "s"),
        Figure("cost: an end-to-end trial, scaled from its steps", end_to_end.trial_sec, "s"),
        Figure("cost: the same against a cached one", end_to_end.trial_sec / cached_sec, "times", GOAL_TRIAL, True),
        Figure("cost: MLflow's share of a cached trial", 100 * searched.mlflow_share(), "%", GOAL_MLFLOW_PERCENT),
        Figure("cost: frames, flow and features", extraction_sec, "s"),
        Figure(f"cost: the search of {len(searched.trials)} trials", searched.wall_sec, "s"),
        Figure(f"cost: {num_confirmations} confirmations on one fold, scaled", confirmed_sec, "s"),
        Figure(
            f"cost: {NUM_TRIALS} end-to-end trials against all of that",
            NUM_TRIALS * end_to_end.trial_sec / whole_sec, "times", GOAL_SEARCH, True,
        ),
    ]  # fmt: skip


def time_end_to_end(project: Path, num_epochs: int | None) -> EndToEnd:
    """Return the seconds of an end-to-end trial of the project's own params, from a few steps of it."""
    params = load_params(project / "params.yaml")
    params = apply_values(params, {"train.unfreeze": "all", "train.finetune.num_epochs":
                                   num_epochs or params.train.finetune.num_epochs})  # fmt: skip
    manifest = read_manifest(project / "data" / "manifest.csv", splits=TRAINING_SPLITS)
    folds, _ = make_validation(manifest, params)
    clips = list_clips(manifest, params, TRAINING_SPLITS, root=project)
    network, source = _network(project, params), _source(clips, params)
    train = finetuning_values(params.train)
    drawn = list(islice(draw_batches(torch.tensor(clips.labels), train, params.seed), NUM_READ_BATCHES + 1))
    read_sec, draw, batch = _read(network, source, drawn)
    precision, seconds = faster_precision(network, train, None, draw, batch)
    rest = [len(manifest) - len(fold) for fold in folds]
    return EndToEnd(
        read_sec,
        seconds[precision],
        _answer_sec(network, batch),
        precision,
        [train.num_epochs * num_batches(num_videos, train) for num_videos in rest],
        [math.ceil(len(fold) * len(source.views) / train.batch_size) for fold in folds],
    )


def _read(network: VideoNetwork, source: AugmentedImages, drawn: list[Draw]) -> tuple[float, Draw, Batch]:
    batches = source.batches(iter(drawn), network.recognizer.streams)
    batch = next(batches)
    start = time.perf_counter()
    for later in batches:
        batch = later
    return (time.perf_counter() - start) / NUM_READ_BATCHES, drawn[-1], batch


@torch.inference_mode()
def _answer_sec(network: VideoNetwork, batch: Batch) -> float:
    network.eval()
    network(batch.inputs)
    start = time.perf_counter()
    network(batch.inputs)
    return time.perf_counter() - start


def _network(project: Path, params: Params) -> VideoNetwork:
    manifest = read_manifest(project / "data" / "manifest.csv")
    data = load_features(manifest, params, BACKBONE, mirrored=True, root=project)
    recognizer = Recognizer(
        params.model, dim=data.dim, num_steps=data.num_steps, num_cells=data.num_cells, num_classes=len(data.classes)
    )
    own = {stream: _backbones(params)[stream] for stream in recognizer.streams}  # trained apart
    network = VideoNetwork(own, recognizer, params.features.grid_size)
    unfreeze(network, params.train.unfreeze)
    return network


def _source(clips: ClipSet, params: Params) -> AugmentedImages:
    views = list_views(params.views, mirror=params.train.mirror)
    return AugmentedImages(clips, _backbones(params), params.features, 0.0, params.seed, 0, views)


def _backbones(params: Params) -> StreamBackbones:
    return stream_backbones(BACKBONE, params.features, params.frames.frames_per_segment, params.features.weights)


def _videos(folder: Path) -> str:
    source = folder / "cost-videos"
    if not source.exists():
        # 100 clips.
        make_sample(source, actions=list(ACTIONS)[:5], num_persons=10, clips_per_person=2)
    return str(source)


def _values(folder: Path) -> dict[str, object]:
    """Return the shipped params with the one backbone."""
    weights = folder / f"{BACKBONE}.safetensors"
    if not weights.exists():
        import_torchvision()
        import timm

        torch.manual_seed(0)
        save_file(timm.create_model(BACKBONE, pretrained=False).state_dict(), weights)
    return {
        "model.backbone": BACKBONE,
        "features.weights": {BACKBONE: str(weights)},
        "search.space.model.backbone": {"choices": [BACKBONE]},
        "search.num_trials": NUM_TRIALS,
    }
