"""The test split, read once: scores of the new model and of the baseline on the same videos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from varml.config.params import Params
from varml.data.manifest import class_names
from varml.metrics.calibration import expected_calibration_error
from varml.metrics.classification import accuracy, accuracy_interval, classification_metrics
from varml.metrics.probability_columns import with_probabilities
from varml.metrics.selective import selective_metrics
from varml.models.model_files import LoadedModel
from varml.training.baseline import fit_baseline, predict_baseline
from varml.training.data import load_features
from varml.training.loop import Probabilities
from varml.training.model_inputs import load_inputs

TEST_SPLIT = ("test",)


@dataclass(frozen=True)
class TestScores:
    """Probabilities (N, K) of each test video by the model and by the baseline.

    ``uncalibrated`` are the model's before its temperature; ``answers`` are what it says of each video.
    """

    rows: pd.DataFrame
    classes: list[str]
    model: Probabilities
    uncalibrated: Probabilities
    answered: npt.NDArray[np.bool_]
    answers: list[str]
    baseline: Probabilities
    num_members: int

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The place of each video's true class in ``classes``, (N,)."""
        return np.asarray([self.classes.index(label) for label in self.rows["label"]], dtype=np.int64)

    def metrics(self, confidence: float) -> dict[str, float | int]:
        """Return the figures of metrics/test.json."""
        low, high = accuracy_interval(self.labels, self.model, confidence)
        return {
            **classification_metrics(self.labels, self.model),
            "top1_low": low,
            "top1_high": high,
            "baseline_top1": accuracy(self.labels, self.baseline),
            "ece": expected_calibration_error(self.labels, self.model),
            "ece_uncalibrated": expected_calibration_error(self.labels, self.uncalibrated),
            **selective_metrics(self.labels, self.model, self.answered),
            "num_members": self.num_members,
            "num_videos": len(self.rows),
        }

    def predictions(self) -> pd.DataFrame:
        """Return one row per test video: true and most probable labels, the answer, and each class's probability."""
        classes = np.asarray(self.classes, dtype=object)
        table = self.rows[["video_id", "path", "label"]].reset_index(drop=True)
        table["predicted"] = classes[self.model.argmax(1)]
        table["answer"] = self.answers
        table["baseline_predicted"] = classes[self.baseline.argmax(1)]
        return with_probabilities(table, self.model, self.classes)


def score_test_split(manifest: pd.DataFrame, params: Params, model: LoadedModel, baseline_backbone: str) -> TestScores:
    """Return what ``model``, and the baseline refitted on train and val, say of the test videos."""
    rows = manifest[manifest["split"].isin(TEST_SPLIT)]
    probabilities = model.ensemble.predict(inputs := load_inputs(rows, params, model))
    mirrored = params.train.mirror  # as in the search
    baseline = fit_baseline(load_features(manifest, params, baseline_backbone, mirrored=mirrored))
    of_test = load_features(manifest, params, baseline_backbone, TEST_SPLIT, mirrored=mirrored)
    return TestScores(
        rows=rows,
        classes=class_names(manifest),
        model=probabilities,
        uncalibrated=model.ensemble.predict(inputs, calibrated=False),
        answered=model.description.is_sure(probabilities),
        answers=model.description.answers(probabilities),
        baseline=predict_baseline(baseline, of_test),
        num_members=len(model.description.members),
    )
