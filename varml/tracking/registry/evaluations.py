"""What a model said of a set of test videos, one by one, kept with the run that trained it.

There is one evaluation of a model for each set of test videos; only two of the same set can be compared.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from varml.data.manifest import write_table
from varml.ground.atomic import write_json
from varml.ground.content_key import file_digest
from varml.metrics.classification import Labels
from varml.metrics.probability_columns import classes_of, columns_of
from varml.tracking.runs import TrackedRun

# Tag of a run: the set of test videos of its newest evaluation.
EVALUATED_ON = "varml.evaluated_on"
FOLDER = "evaluations"
PREDICTIONS = "predictions.csv"
FACTS = "evaluation.json"


@dataclass(frozen=True)
class Evaluation:
    """The answers of the model with ``model_digest`` on the videos of ``test_set``.

    ``predictions`` has a row a video, with ``video_id``, ``label``, ``predicted`` and the probability of each class the
    model knows, ``p_CLASS``; ``seen`` is 1 where the model was trained on the video or on its group, which lasts when
    splits are drawn anew. ``latency_ms`` is the time from stored frames to an answer, or None where it was not
    measured.
    """

    test_set: str
    model_digest: str
    latency_ms: float | None
    predictions: pd.DataFrame

    @property
    def classes(self) -> list[str]:
        """The classes that the model knows, and those of the videos, in alphabetical order."""
        return sorted({*classes_of(self.predictions), *self.predictions["label"]})

    def labels(self, classes: list[str]) -> Labels:
        """Return the place in ``classes`` of each video's true class, (N,)."""
        return _places(self._by_video["label"], classes)

    def answers(self, classes: list[str]) -> Labels:
        """Return the place in ``classes`` of the most probable class of each video, (N,)."""
        return _places(self._by_video["predicted"], classes)

    def probabilities(self, classes: list[str]) -> npt.NDArray[np.float64]:
        """Return the probability of each of ``classes``, (N, K); 0 of one that the model does not know."""
        return self._by_video.reindex(columns=columns_of(classes), fill_value=0.0).to_numpy(dtype=np.float64)

    @property
    def seen(self) -> set[str]:
        """The ``video_id`` of each video that the model was trained on."""
        return set(self.predictions.loc[self.predictions["seen"] == 1, "video_id"])

    def without(self, video_ids: set[str]) -> Evaluation:
        """Return the evaluation of the other videos."""
        return replace(self, predictions=self.predictions[~self.predictions["video_id"].isin(video_ids)])

    @property
    def _by_video(self) -> pd.DataFrame:
        # The order of the videos may have changed between two models.
        return self.predictions.sort_values("video_id")


def log_evaluation(run: TrackedRun, evaluation: Evaluation) -> None:
    """Keep ``evaluation`` among the artifacts of the run that trained its model, in place of an earlier one there."""
    facts = {
        "test_set": evaluation.test_set,
        "model_digest": evaluation.model_digest,
        "latency_ms": evaluation.latency_ms,
    }
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder, PREDICTIONS), evaluation.predictions)
        facts["predictions"] = file_digest(Path(folder, PREDICTIONS))
        write_json(Path(folder, FACTS), facts)
        run.client.log_artifacts(run.run_id, folder, f"{FOLDER}/{evaluation.test_set}")
    run.set_tags({EVALUATED_ON: evaluation.test_set})


def read_evaluation(run: TrackedRun, test_set: str) -> Evaluation | None:
    """Return the evaluation on ``test_set`` of the model that ``run`` trained, or None where there is no whole one."""
    place = f"{FOLDER}/{test_set}"
    kept = {item.path for item in run.client.list_artifacts(run.run_id, place)}
    if not {f"{place}/{PREDICTIONS}", f"{place}/{FACTS}"} <= kept:
        return None
    with tempfile.TemporaryDirectory() as folder:
        local = Path(run.client.download_artifacts(run.run_id, place, folder))
        return _read(local / FACTS, local / PREDICTIONS)


def evaluated_sets(run: TrackedRun) -> list[str]:
    """Return the sets of test videos that the model of ``run`` was asked about, the newest first."""
    kept = [Path(item.path).name for item in run.client.list_artifacts(run.run_id, FOLDER)]
    newest = run.tags.get(EVALUATED_ON)
    return sorted(kept, key=lambda name: name != newest)


def _read(facts_file: Path, table: Path) -> Evaluation | None:
    try:
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
        if facts["predictions"] != file_digest(table):
            return None  # its writer was killed
        found = facts["test_set"], facts["model_digest"], facts["latency_ms"]
    except (ValueError, KeyError, TypeError):
        return None
    # Labels such as "1" or "NA" are text.
    texts = dict.fromkeys(("video_id", "label", "predicted"), "str")
    return Evaluation(*found, pd.read_csv(table, dtype=texts, keep_default_na=False))


def _places(names: pd.Series, classes: list[str]) -> Labels:
    return np.asarray([classes.index(name) for name in names], dtype=np.int64)
