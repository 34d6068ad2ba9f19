"""The answers on one held-out group by what is trained on frozen features; nothing of it is looked at before."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.stored import Stored
from varml.config import Params
from varml.config.space import apply_values
from varml.data.dataset import FeatureSet
from varml.data.splits import make_folds
from varml.ground.atomic import write_json
from varml.ground.content_key import content_key
from varml.training.baseline import fit_baseline, predict_baseline
from varml.training.cross_validation import cross_validate
from varml.training.data import load_searched
from varml.training.ensemble import select, weighted_mean
from varml.training.loop import Probabilities, fit, predict
from varml.training.out_of_fold import OutOfFold, fold_numbers

Values = dict[str, Any]  # by params path

VERSION = 3
NUM_SEEDS, NUM_FOLDS, NUM_RANKED, MAX_MEMBERS = 3, 4, 5, 5
LR = 3e-3
# The trials of every search, as fusion, pooling and depth of attention.
TRIALS: tuple[Values, ...] = tuple(
    {"model.fusion": fusion, "model.pooling": pooling, "model.attention.depth": depth, "train.lr": LR}
    for fusion, pooling, depth in [
        *product(["late"], ["mean", "thirds"], [0, 1]),
        ("concat", "thirds", 0),
        ("rgb", "thirds", 0),
        ("flow", "thirds", 0),
        ("gated", "thirds", 0),
    ]
)
# What is shown without the mirror too.
SHOWN = TRIALS[2]
SEEN, ASKED, ELSEWHERE = "seen", "asked", "elsewhere"  # splits of a manifest


@dataclass(frozen=True)
class Answers:
    """Which clips of a held-out group were recognised, by what is compared; ``chosen`` are the values of the best."""

    set: str
    group: str
    right: dict[str, list[bool]] = field(default_factory=dict)
    chosen: Values = field(default_factory=dict)


def trial_name(values: Values) -> str:
    """Return a name such as ``late, thirds, attention``."""
    depth = values["model.attention.depth"]
    return ", ".join([values["model.fusion"], values["model.pooling"], *(["attention"] if depth else [])])


def answer_group(task: tuple[Stored, str, str]) -> Answers:
    """Return the answers on a group, from what an earlier run has left or computed now."""
    stored, name, group = task
    torch.set_num_threads(1)
    file = answers_file(stored, name, group)
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists():
        return Answers(**json.loads(file.read_text()))
    answers = Answers(name, group)
    said = _HeldOut(stored, name, group).answer_on_features(answers)
    # Another rule of choosing can be judged by these without training anything again.
    np.savez(file.with_suffix(".npz"), allow_pickle=False, **said)
    write_json(file, asdict(answers))
    return answers


class _HeldOut:
    """One group of a set, and the other groups of that set, on which all is chosen and trained."""

    def __init__(self, stored: Stored, name: str, group: str) -> None:
        self.params, self.root = stored.params, stored.folder
        of_set, of_group = stored.rows["set"] == name, stored.rows["group"] == group
        split = np.select([of_set & ~of_group, of_set & of_group], [SEEN, ASKED], ELSEWHERE)
        self.manifest = stored.rows.assign(split=split)
        self.training, self.testing = self._load(SEEN), self._load(ASKED)
        labels = [self.training.classes[label] for label in self.training.labels]
        self.folds, _ = make_folds(labels, self.training.groups, NUM_FOLDS, self.params.seed)

    def answer_on_features(self, answers: Answers) -> dict[str, np.ndarray]:
        """Add the answers of what is trained on cached features; return what the trials said, out of fold and here."""
        for name, mirror in (("logistic regression", True), ("logistic regression, no mirror", False)):
            baseline = fit_baseline(self.training.seen(mirror))
            self._judge(answers, name, predict_baseline(baseline, self.testing.seen(mirror)))
        said = [self._refitted(values) for values in TRIALS]
        for values, probabilities in zip(TRIALS, said, strict=True):
            self._judge(answers, trial_name(values), probabilities)
        self._judge(answers, f"{trial_name(SHOWN)}, no mirror", self._refitted({**SHOWN, "train.mirror": False}))
        oof = self._out_of_fold()
        ranks = sorted(range(len(TRIALS)), key=lambda i: oof.figures("top1", oof.probabilities[i]), reverse=True)
        answers.chosen.update(TRIALS[ranks[0]])
        self._judge(answers, "chosen", said[ranks[0]])
        kept = ranks[:NUM_RANKED]
        ranked = OutOfFold(oof.video_ids, oof.labels, oof.folds, oof.probabilities[kept])
        weights = select(ranked, "top1", MAX_MEMBERS).weights
        self._judge(answers, "chosen, ensemble where it pays", weighted_mean(np.stack(said)[kept], weights))
        found: dict[str, np.ndarray] = {"oof": oof.probabilities, "labels": oof.labels, "folds": oof.folds}
        return found | {"testing": np.stack(said), "testing_labels": self.testing.labels}

    def _judge(self, answers: Answers, name: str, probabilities: Probabilities) -> None:
        answers.right[name] = (probabilities.argmax(1) == self.testing.labels).tolist()

    def _refitted(self, values: Values) -> Probabilities:
        params = apply_values(self.params, values)
        training, testing = (self._of(params, data) for data in (self.training, self.testing))
        seeds = range(NUM_SEEDS)
        fitted = (fit(training, params.model, params.train, seed=seed) for seed in seeds)
        return np.mean([predict(one, testing) for one in fitted], axis=0)

    def _of(self, params: Params, data: FeatureSet) -> FeatureSet:
        return data.seen(params.train.mirror)

    def _out_of_fold(self) -> OutOfFold:
        """Return the predictions of all trials for the other groups, the mean over seeds."""
        folds = fold_numbers(self.folds, len(self.training))
        said = [np.mean([self._validated(values, seed) for seed in range(NUM_SEEDS)], axis=0) for values in TRIALS]
        return OutOfFold(self.training.video_ids, self.training.labels, folds, np.stack(said).astype(np.float32))

    def _validated(self, values: Values, seed: int) -> Probabilities:
        params = apply_values(self.params, values)
        found = np.zeros((len(self.training), len(self.training.classes)), np.float32)
        for fold in cross_validate(self.training, self.folds, params.model, params.train, 100 * seed):
            found[fold.positions] = fold.probabilities
        return found

    def _load(self, split: str) -> FeatureSet:
        return load_searched(self.manifest, self.params, self.params.model.backbone, (split,), root=self.root)


def answers_file(stored: Stored, name: str, group: str) -> Path:
    """Return the file of the answers on a group, whose name stands for all that they depend on."""
    # Nothing is adapted here, and the rest has no part in it.
    left_out = dict.fromkeys(("engine", "search", "register_", "data", "ingest"), True)
    params = stored.params.model_dump(mode="json", exclude={**left_out, "features": {"adapt", "adaptation"}})
    key = content_key(version=VERSION, params=params, trials=TRIALS, videos=stored.rows["digest"].tolist())
    return stored.folder / "answers" / key[:12] / f"{name}-{group}.json"
