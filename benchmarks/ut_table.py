"""The table of :mod:`benchmarks.ut_interaction`, as markdown."""

from __future__ import annotations

import platform
from importlib.metadata import version

from scipy.stats import binomtest

from benchmarks.beyond_trials import CHOSEN_END_TO_END, WAYS, Way
from benchmarks.held_out import NUM_FOLDS, NUM_SEEDS, SHOWN, TRIALS, Answers, trial_name
from benchmarks.stored import Stored
from varml.config.params import Train

ROWS = [
    "logistic regression, no mirror",
    "logistic regression",
    *map(trial_name, TRIALS),
    f"{trial_name(SHOWN)}, no mirror",
    *(way for way in WAYS if way != CHOSEN_END_TO_END),
    "chosen",
    "chosen, ensemble where it pays",
    CHOSEN_END_TO_END,
]


def markdown(answers: list[Answers], stored: Stored) -> str:
    """Return the answers of all held-out groups as a table, and the conditions under which they were made."""
    sets = sorted({answer.set for answer in answers})
    measured = [row for row in ROWS if any(row in answer.right for answer in answers)]
    lines = [f"| {row} | " + " | ".join(_cell(answers, name, row) for name in sets) + " |" for row in measured]
    head = ["| | " + " | ".join(sets) + " |", "| --- |" + " --- |" * len(sets)]
    return "\n".join([*_conditions(stored), *_on_pixels(measured, stored), "", *head, *lines])


def _conditions(stored: Stored) -> list[str]:
    frames, features = stored.params.frames, stored.params.features
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "scikit-learn"))
    return [
        f"- {platform.machine()}, {libraries}; {stored.params.model.backbone} at {features.image_size_px} px, "
        f"{frames.num_segments} segments, flow as {features.flow_images}",
        f"- one group of a set left out at a time; {len(TRIALS)} trials, each validated on {NUM_FOLDS} group folds of "
        f"the others with {NUM_SEEDS} seeds, whose probabilities are averaged; top-1 with Wilson's 95% interval",
    ]


def _on_pixels(measured: list[str], stored: Stored) -> list[str]:
    """Return what was trained on pixels in every epoch, and for how long."""
    train = stored.params.train
    rows = [f"{row} ({_num_epochs(WAYS[row], train)} epochs)" for row in measured if _sees_pixels(row)]
    return [f"- on pixels in every epoch, with one seed: {', '.join(rows)}"] if rows else []


def _sees_pixels(row: str) -> bool:
    return row in WAYS and not {"train.augment", "train.unfreeze"}.isdisjoint(WAYS[row].values)


def _num_epochs(way: Way, train: Train) -> int:
    return train.finetune.num_epochs if "train.unfreeze" in way.values else train.num_epochs


def _cell(answers: list[Answers], name: str, row: str) -> str:
    of_set = [answer for answer in answers if answer.set == name]
    if not all(row in answer.right for answer in of_set):
        return ""
    right = [hit for answer in of_set for hit in answer.right[row]]
    found = binomtest(sum(right), len(right)).proportion_ci(0.95, "wilson")
    return f"{sum(right) / len(right):.3f} ({found.low:.2f} to {found.high:.2f})"
