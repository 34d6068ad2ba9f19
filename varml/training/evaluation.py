"""The test split, read once: scores of the new model and of the baseline on the same videos."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from varml.config.params import Params
from varml.data.dataset import FeatureSet
from varml.metrics.classification import accuracy, accuracy_interval, classification_metrics
from varml.models.model_files import LoadedModel
from varml.training.baseline import fit_baseline, predict_baseline
from varml.training.data import load_features
from varml.training.loop import Probabilities, predict

TEST_SPLIT = ("test",)


@dataclass(frozen=True)
class TestScores:
    """Probabilities (N, K) of each test video by the model and by the baseline."""

    test: FeatureSet
    model: Probabilities
    baseline: Probabilities

    def metrics(self, confidence: float) -> dict[str, float | int]:
        """Return the figures of metrics/test.json."""
        low, high = accuracy_interval(self.test.labels, self.model, confidence)
        return {
            **classification_metrics(self.test.labels, self.model),
            "top1_low": low,
            "top1_high": high,
            "baseline_top1": accuracy(self.test.labels, self.baseline),
            "num_videos": len(self.test),
        }

    def predictions(self, paths: list[str]) -> pd.DataFrame:
        """Return one row per test video: true and predicted labels, and the model's probability of each class."""
        classes = pd.Series(self.test.classes)
        table = pd.DataFrame(
            {
                "video_id": self.test.video_ids,
                "path": paths,
                "label": classes[self.test.labels].tolist(),
                "predicted": classes[self.model.argmax(1)].tolist(),
                "baseline_predicted": classes[self.baseline.argmax(1)].tolist(),
            }
        )
        columns = [f"p_{name}" for name in classes]
        return pd.concat([table, pd.DataFrame(self.model, columns=columns)], axis=1)


def score_test_split(manifest: pd.DataFrame, params: Params, model: LoadedModel, baseline_backbone: str) -> TestScores:
    """Return what ``model``, and the baseline refitted on train and val, say of the test videos."""
    test = load_features(manifest, params, model.description.model.backbone, TEST_SPLIT)
    baseline = fit_baseline(load_features(manifest, params, baseline_backbone))
    baseline_test = load_features(manifest, params, baseline_backbone, TEST_SPLIT)
    return TestScores(test, predict(model.recognizer, test), predict_baseline(baseline, baseline_test))
