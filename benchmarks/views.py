"""In which views videos are best seen: the same classifier on the same videos, by the views that it sees of them.

``python -m benchmarks.views --source DIR --annotations manifest.csv --work DIR`` takes labelled videos from a CSV in
the folder, with the columns path, label and group, and set where there are several, and the values of the shipped
``params.yaml``. Late fusion of the thirds of frozen features is validated on group folds of each set, as many as it has
groups and ten at most; the probabilities of three seeds are averaged. A backbone sees a video once for each
view. ``--change frames.num_segments=24 model.fusion=concat`` puts other values into these params. What is stored in
``--work`` is not done again.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import log_loss

from benchmarks.changed_params import add_change, changed_params
from benchmarks.held_out import NUM_SEEDS, SHOWN
from benchmarks.report import Figure, report
from benchmarks.stored import Stored, store
from varml.config import Params
from varml.config.space import apply_values
from varml.config.views import PLAIN, View
from varml.data.dataset import FeatureSet
from varml.data.splits import make_folds
from varml.training.cross_validation import cross_validate
from varml.training.data import load_searched
from varml.training.loop import Probabilities

MAX_FOLDS = 10
MIRRORED = View(mirrored=True)
LEFT, MIDDLE, RIGHT = (View(crop) for crop in range(3))
IN_MIRROR = {view: replace(view, mirrored=True) for view in (LEFT, MIDDLE, RIGHT)}
WAYS: dict[str, list[View]] = {
    "whole frame": [PLAIN],
    "whole frame, both ways": [PLAIN, MIRRORED],
    "outer squares, both ways": [LEFT, RIGHT, IN_MIRROR[LEFT], IN_MIRROR[RIGHT]],
    "first square, both ways": [LEFT, IN_MIRROR[LEFT]],
    "last square, both ways": [RIGHT, IN_MIRROR[RIGHT]],
    "three squares, the middle one in the mirror": [LEFT, IN_MIRROR[MIDDLE], RIGHT],
    "three squares, the outer ones in the mirror": [IN_MIRROR[LEFT], MIDDLE, IN_MIRROR[RIGHT]],
    "three squares, both ways": [LEFT, MIDDLE, RIGHT, *IN_MIRROR.values()],
    "whole frame, outer squares in the mirror": [PLAIN, IN_MIRROR[LEFT], IN_MIRROR[RIGHT]],
}


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    torch.set_num_threads(1)
    params = changed_params(arguments, {**SHOWN, "train.mirror": True, "views.mirror": "both"})
    rows = pd.read_csv(arguments.source / arguments.annotations)
    rows = rows.assign(set=rows.get("set", "all"))
    whole, crops = (
        store(arguments.source, rows, apply_values(params, {"views.num_crops": num_crops}), arguments.work)
        for num_crops in (1, 3)
    )
    figures = []
    for name in sorted(rows["set"].unique()):
        data = _load([whole, crops], name)
        for way, views in WAYS.items():
            figures += _figures(f"{name}: {way}", _seen(data, views), params)
    report("Views", figures, arguments.json)


def _load(stored: list[Stored], name: str) -> FeatureSet:
    """Return the videos of a set in the views of all that is ``stored`` of them."""
    loaded = []
    for one in stored:
        rows = one.rows[one.rows["set"] == name].assign(split="train")
        loaded.append(load_searched(rows, one.params, one.params.model.backbone, root=one.folder))
    features = {view: seen for data in loaded for view, seen in data.features.items()}
    return replace(loaded[0], features=features, views=None)


def _seen(data: FeatureSet, views: list[View]) -> FeatureSet:
    return replace(data, features={view: data.features[view] for view in views})


def _figures(name: str, data: FeatureSet, params: Params) -> list[Figure]:
    probabilities = _out_of_fold(data, params)
    top1 = float((probabilities.argmax(1) == data.labels).mean())
    loss = log_loss(data.labels, probabilities, labels=range(len(data.classes)))
    return [
        Figure(name, top1, "of videos"),
        Figure(f"{name}, log loss", float(loss), "nats"),
        Figure(f"{name}, views", len(data.features), "a video"),
    ]


def _out_of_fold(data: FeatureSet, params: Params) -> Probabilities:
    num_folds = min(MAX_FOLDS, len(set(data.groups)))
    folds, _ = make_folds([data.classes[label] for label in data.labels], data.groups, num_folds, params.seed)
    found = np.zeros((len(data), len(data.classes)), dtype=np.float32)
    for seed in range(NUM_SEEDS):
        for fold in cross_validate(data, folds, params.model, params.train, 100 * seed):
            found[fold.positions] += fold.probabilities / NUM_SEEDS
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="folder of labelled videos")
    parser.add_argument("--annotations", required=True, help="CSV in that folder: path, label, group, perhaps set")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is stored")
    add_change(parser)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
