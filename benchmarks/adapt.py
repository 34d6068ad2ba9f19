"""Adapted features against frozen ones: what they recognise on a group that nothing has seen, and what they cost.

``python -m benchmarks.adapt --source DIR --annotations manifest.csv --work DIR --set NAME`` takes labelled videos from
a CSV in the folder, with the columns path, label, set and group, and the values of the shipped ``params.yaml``. One
group of the set is held out at a time: backbones are adapted to the other groups, classifiers are trained on what these
backbones see of them, and answer on the held-out group. ``--settings`` are numbers of epochs with learning rates, such
as ``5:1e-3 10:1e-3``, and ``--folds`` says how many groups are held out. What is stored in ``--work`` is not done
again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.report import Figure, report
from benchmarks.stored import Stored, store
from varml.config import load_params
from varml.config.space import apply_values
from varml.config.views import View
from varml.data.dataset import FeatureSet
from varml.ground.progress import progress
from varml.training.adaptations import adaptations_of, list_adaptations
from varml.training.adapted import with_adapted
from varml.training.adapting import AdaptTask, Videos, adapt
from varml.training.cross_validation import cross_validate
from varml.training.keeping_maps import compute_maps, make_map_files, map_tasks

ROOT = Path(__file__).resolve().parents[1]
NUM_SEEDS = 3
Maps = dict[View, Path]
# What is trained on the features: the mean of flow, flow with attention, both streams.
HEADS = {
    "flow, mean": {"model.fusion": "flow", "model.attention.depth": 0},
    "flow, attention": {"model.fusion": "flow", "model.attention.depth": 1},
    "late, mean": {"model.fusion": "late", "model.attention.depth": 0},
}


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    torch.set_num_threads(1)
    params = apply_values(
        load_params(ROOT / "params.yaml"),
        {"train.mirror": True, "train.lr": 3e-3, "search.validation": "val", "features.adapt": arguments.adapt,
         "features.adaptation.unfreeze": arguments.unfreeze, "features.adaptation.augment": arguments.augment},
    )  # fmt: skip
    stored = store(arguments.source, pd.read_csv(arguments.source / arguments.annotations), params, arguments.work)
    outcome = _Outcome()
    with tempfile.TemporaryDirectory(dir=stored.folder) as scratch:
        groups = _groups(stored, arguments)
        maps = _keep_all(Videos(groups[0], params, stored.folder), Path(scratch), outcome)
        for held_out in progress(groups, len(groups), "held-out groups"):
            _measure(Videos(held_out, params, stored.folder), maps, arguments.settings, Path(scratch), outcome)
    report("adapted features, one thread, one group left out", outcome.figures(), arguments.json)


class _Outcome:
    """What was recognised by each way, and the seconds that one core took."""

    def __init__(self) -> None:
        self.right: dict[str, list[float]] = {}
        self.seconds: dict[str, list[float]] = {}

    def took(self, name: str, start: float) -> None:
        """Note how long one core was at work since ``start``."""
        self.seconds.setdefault(name, []).append(time.process_time() - start)

    def figures(self) -> list[Figure]:
        """Return the means."""
        accuracy = [Figure(name, float(np.mean(right)), "of clips") for name, right in self.right.items()]
        return accuracy + [Figure(name, float(np.mean(took)), "s of one core") for name, took in self.seconds.items()]


def _measure(
    videos: Videos, maps: dict[str, Maps], settings: list[tuple[int, float]], scratch: Path, out: _Outcome
) -> None:
    backbone = videos.params.model.backbone
    frozen = videos.features(backbone)
    _answer("frozen", frozen, videos, out)
    for num_epochs, lr in settings:
        name = f"{num_epochs} epochs at {lr:g}"
        how = {"features.adaptation.num_epochs": num_epochs, "features.adaptation.lr": lr}
        chosen = replace(videos, params=apply_values(videos.params, how))
        found = adaptations_of(list_adaptations(videos.rows, chosen.params, scratch), backbone, 0)
        for adaptation in found:
            start = time.process_time()
            adapt(AdaptTask(chosen, adaptation, maps[adaptation.stream]))
            out.took(f"{adaptation.stream}, {name}: an adaptation", start)
        _answer(name, with_adapted(frozen, found, chosen.params.frames.num_segments), videos, out)


def _keep_all(videos: Videos, scratch: Path, out: _Outcome) -> dict[str, Maps]:
    backbone, maps = videos.params.model.backbone, {}
    for stream in videos.params.features.adapted_streams:
        start, folder = time.process_time(), scratch / stream
        folder.mkdir()
        maps[stream] = make_map_files(videos, backbone, stream, folder)
        for task in map_tasks(videos, backbone, stream, maps[stream]):
            compute_maps(task)
        out.took(f"{stream}: what lies before, once for all", start)
    return maps


def _answer(name: str, data: FeatureSet, videos: Videos, out: _Outcome) -> None:
    fold = np.flatnonzero((videos.rows["split"] == "val").to_numpy())
    for head, values in HEADS.items():
        chosen = apply_values(videos.params, values)
        said = [next(cross_validate(data, [fold], chosen.model, chosen.train, seed)) for seed in range(NUM_SEEDS)]
        probabilities = np.mean([one.probabilities for one in said], axis=0)
        out.right.setdefault(f"{head}: {name}", []).extend(probabilities.argmax(1) == data.labels[fold])


def _groups(stored: Stored, arguments: argparse.Namespace) -> list[pd.DataFrame]:
    of_set = stored.rows[stored.rows["set"] == arguments.set].reset_index(drop=True)
    groups = sorted(of_set["group"].unique())[: arguments.folds]
    return [of_set.assign(split=np.where(of_set["group"] == group, "val", "train")) for group in groups]


def _setting(text: str) -> tuple[int, float]:
    num_epochs, lr = text.split(":")
    return int(num_epochs), float(lr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="folder of labelled videos")
    parser.add_argument("--annotations", required=True, help="CSV in that folder: path, label, set, group")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is stored")
    parser.add_argument("--set", required=True, help="the set of the CSV")
    parser.add_argument("--folds", type=int, default=4, help="how many groups of it are held out")
    parser.add_argument("--adapt", choices=["flow", "both"], default="flow", help="streams that are adapted")
    parser.add_argument("--unfreeze", choices=["last_stage", "all"], default="last_stage")
    parser.add_argument("--augment", type=float, default=0.0)
    parser.add_argument("--settings", type=_setting, nargs="+", default=[(3, 1e-3), (5, 1e-3), (10, 3e-4)])
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
