"""Reads the test split, once: figures, per-video predictions, confusion matrix and coverage of the model."""

import json

from pipelines._stage import run_stage
from varml.config.params import Params
from varml.data.manifest import read_manifest, write_table
from varml.ground.atomic import write_json
from varml.ground.paths import BASELINE, CONFUSION, COVERAGE, MANIFEST, MODEL, PREDICTIONS, TEST_METRICS
from varml.metrics.confusion import confusion_figure, confusion_table
from varml.metrics.selective import coverage_curve
from varml.models.model_files import load_model, model_digest
from varml.tracking.runs import training_run
from varml.tracking.store import tracking_errors
from varml.training.evaluation import score_test_split


@tracking_errors()
def main(params: Params) -> None:
    """No other stage looks at the videos of the test split."""
    manifest = read_manifest(MANIFEST)
    baseline = json.loads(BASELINE.read_text())
    scores = score_test_split(manifest, params, load_model(MODEL), baseline["backbone"])
    metrics = scores.metrics(params.evaluate.confidence)
    predictions = scores.predictions()
    write_json(TEST_METRICS, metrics)
    write_table(PREDICTIONS, predictions)
    write_table(CONFUSION, confusion_table(predictions))
    write_table(COVERAGE, coverage_curve(scores.labels, scores.model))
    run = training_run(params.register_.experiment, model_digest(MODEL))
    run.log_metrics({f"test_{name}": value for name, value in metrics.items()})
    run.log_figure(confusion_figure(predictions, scores.classes), "confusion.png")
    run.log_artifact(PREDICTIONS)


if __name__ == "__main__":
    run_stage("evaluate", main)
