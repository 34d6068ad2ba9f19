"""The answers on one held-out group by what no trial of the benchmark is: other parts, or training beyond features.

Each of :data:`WAYS` changes one thing of a trial and trains it with the code that confirms trials of a search
(:func:`varml.training.end_to_end.validate_end_to_end`); the group takes the place of the fold that is validated.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.held_out import SHOWN, Answers, Values, answers_file, trial_name
from benchmarks.stored import Stored
from varml.config.space import apply_values
from varml.data.manifest import class_names
from varml.ground.atomic import write_json
from varml.ground.content_key import content_key
from varml.ground.engine import map_parallel
from varml.ground.progress import progress
from varml.training.adaptations import Adaptation, adaptations_of, list_adaptations
from varml.training.adapting import AdaptTask, Videos, adapt
from varml.training.end_to_end import EndToEndTask, validate_end_to_end
from varml.training.keeping_maps import keep_maps, make_map_files
from varml.training.loop import Probabilities

# Raise it when the same way gives other answers.
VERSION = 1
CHOSEN_END_TO_END = "chosen, end to end"
BOTH_WAYS: Values = {"views.num_crops": 3, "views.mirror": "both"}
END_TO_END: Values = {"train.unfreeze": "last_stage", "train.augment": 0.3}
TSN: Values = {
    "model.fusion": "rgb", "model.pooling": "mean", "model.attention.depth": 0,
    "train.mirror": False, "train.unfreeze": "all", "train.num_epochs": 1,
}  # fmt: skip
NO_STREAM_DROPOUT: Values = {"model.stream_dropout": 0}


@dataclass(frozen=True)
class Way:
    """The values of a training; None stands for those that were chosen for the group, which ``changes`` go over."""

    trial: Values | None
    changes: Values = field(default_factory=dict)
    num_seeds: int = 1

    @property
    def values(self) -> Values:
        """Those that do not depend on the group."""
        return {**(self.trial or {}), **self.changes}


def _parts(fusion: str, pooling: str, **attention: Any) -> Values:
    """Return a trial of other parts of the recogniser, and of what all trials share."""
    named = {f"model.attention.{name}": value for name, value in attention.items()}
    return {**SHOWN, "model.fusion": fusion, "model.pooling": pooling, **named}


# On the features of the trials, so in seconds for each group.
OTHER_PARTS = {
    "early, thirds, attention": Way(_parts("early", "thirds", depth=1), num_seeds=3),
    "cross_attention, thirds": Way(_parts("cross_attention", "thirds"), num_seeds=3),
    "late, mean, divided attention": Way(_parts("late", "mean", kind="divided", depth=1), num_seeds=3),
    "late, mean, joint attention": Way(_parts("late", "mean", kind="joint", depth=1), num_seeds=3),
    "late, attentive": Way(_parts("late", "attentive"), num_seeds=3),
    "concat, thirds, no stream dropout": Way(_parts("concat", "thirds"), NO_STREAM_DROPOUT, num_seeds=3),
    "gated, thirds, no stream dropout": Way(_parts("gated", "thirds"), NO_STREAM_DROPOUT, num_seeds=3),
    "cross_attention, thirds, no stream dropout": Way(
        _parts("cross_attention", "thirds"), NO_STREAM_DROPOUT, num_seeds=3
    ),
}
WAYS = {
    **OTHER_PARTS,
    f"{trial_name(SHOWN)}, whole frame": Way(SHOWN, {"views.num_crops": 1}, num_seeds=3),
    f"{trial_name(SHOWN)}, three crops both ways": Way(SHOWN, BOTH_WAYS, num_seeds=3),
    f"{trial_name(SHOWN)}, flow adapted": Way(SHOWN, {"features.adapt": "flow"}, num_seeds=3),
    f"{trial_name(SHOWN)}, both adapted": Way(SHOWN, {"features.adapt": "both"}, num_seeds=3),
    f"{trial_name(SHOWN)}, three crops both ways, both adapted": Way(
        SHOWN, {**BOTH_WAYS, "features.adapt": "both"}, num_seeds=3
    ),
    f"{trial_name(SHOWN)}, changed clips": Way(SHOWN, {"train.augment": 0.3}),
    "TSN": Way(TSN),
    CHOSEN_END_TO_END: Way(None, END_TO_END),
}


@dataclass(frozen=True)
class WayTask:
    """The way ``name`` on the group that ``answers`` are of; travels to a worker."""

    stored: Stored
    answers: Answers
    name: str

    @property
    def videos(self) -> Videos:
        """Those of the set, with all params of the training; the group is validated."""
        rows = self.stored.rows[self.stored.rows["set"] == self.answers.set].reset_index(drop=True)
        split = np.where(rows["group"] == self.answers.group, "val", "train")
        params = apply_values(self.stored.params, {**self._values, "search.validation": "val"})
        return Videos(rows.assign(split=split), params, self.stored.folder)

    @property
    def adaptations(self) -> list[Adaptation]:
        """Those to all groups but this one."""
        videos = self.videos
        listed = list_adaptations(videos.rows, videos.params, videos.root)
        return adaptations_of(listed, videos.params.model.backbone, fold=0)

    @property
    def file(self) -> Path:
        """The file of its answers."""
        beside = answers_file(self.stored, self.answers.set, self.answers.group)
        key = content_key(version=VERSION, values=self._values, num_seeds=WAYS[self.name].num_seeds)
        return beside.with_name(f"{beside.stem}-{key[:12]}.json")

    @property
    def _values(self) -> Values:
        way = WAYS[self.name]
        return {**(self.answers.chosen if way.trial is None else {}), **way.values}


def go_beyond(name: str, answers: list[Answers], stored: Stored, num_workers: int) -> list[Answers]:
    """Return the answers on each group with those of the way ``name`` among them."""
    tasks = [WayTask(stored, one, name) for one in answers]
    adapt_all([task for task in tasks if not task.file.exists()], num_workers)
    return list(progress(map_parallel(with_way, tasks, num_workers=num_workers), len(tasks), name))


def adapt_all(tasks: list[WayTask], num_workers: int) -> None:
    """Adapt the backbones that the ways of ``tasks`` want adapted and that are not yet."""
    wanted = [(task, adaptation) for task in tasks for adaptation in task.adaptations if not adaptation.is_done]
    for (_, stream), of_stream in groupby(sorted(wanted, key=_set_and_stream), key=_set_and_stream):
        found = list(of_stream)
        videos, backbone = found[0][0].videos, found[0][1].backbone
        with tempfile.TemporaryDirectory(dir=videos.root) as scratch:
            maps = make_map_files(videos, backbone, stream, Path(scratch))
            kept = keep_maps(videos, backbone, stream, maps, num_workers)
            list(progress(kept, len(videos.rows), f"{stream}, before the last stage"))
            done = map_parallel(
                adapt, [AdaptTask(one.videos, made, maps) for one, made in found], num_workers=num_workers
            )
            list(progress(done, len(found), f"{stream}, adapted"))


def with_way(task: WayTask) -> Answers:
    """Return the answers on the group with those of the way, from what an earlier run has left or trained now."""
    if not task.file.exists():
        _answer(task)
    found = json.loads(task.file.read_text())
    return replace(task.answers, right={**task.answers.right, task.name: found["right"]})


def _answer(task: WayTask) -> None:
    torch.set_num_threads(1)
    videos = task.videos
    classes, held_out = class_names(videos.rows), videos.rows[videos.rows["split"] == "val"]
    probabilities = _mean_over_seeds(task)
    right = [classes[said] == label for said, label in zip(probabilities.argmax(1), held_out["label"], strict=True)]
    write_json(task.file, {"right": right, "probabilities": probabilities.tolist()})


def _mean_over_seeds(task: WayTask) -> Probabilities:
    videos = task.videos
    held_out = np.flatnonzero(videos.rows["split"] == "val")
    training = EndToEndTask(videos.rows, videos.params, 0, held_out, task.adaptations, root=videos.root)
    # The backbones are adapted once: a seed is that of the training behind them.
    seeded = (
        replace(training, params=apply_values(videos.params, {"seed": i})) for i in range(WAYS[task.name].num_seeds)
    )
    return np.mean([validate_end_to_end(one).probabilities for one in seeded], axis=0)


def _set_and_stream(wanted: tuple[WayTask, Adaptation]) -> tuple[str, str]:
    return wanted[0].answers.set, wanted[1].stream
