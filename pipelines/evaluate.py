"""Reads the test split, once: figures, per-video predictions, confusion matrix and coverage of the model.

For the gate, what the new model and the present champion said of each video goes to the runs that trained them.
"""

import json
import sys

import pandas as pd

from pipelines._stage import run_stage
from varml.config.check import source_folder
from varml.config.params import Params
from varml.data.manifest import read_manifest, rows_digest, write_table
from varml.data.validation import TRAINING_SPLITS
from varml.errors import VarmlError
from varml.ground.atomic import write_json
from varml.ground.paths import BASELINE, CONFUSION, COVERAGE, MANIFEST, MODEL, PREDICTIONS, TEST_METRICS
from varml.inference.predictor import Predictor
from varml.inference.timing import NUM_TIMED, latency_ms
from varml.metrics.confusion import confusion_figure, confusion_table
from varml.metrics.selective import coverage_curve
from varml.models.model_files import LoadedModel, load_model, model_digest
from varml.tracking.registry.champion_evaluation import evaluate_champion
from varml.tracking.registry.evaluations import Evaluation, log_evaluation
from varml.tracking.registry.seen_videos import groups_tell, is_seen, log_training_videos
from varml.tracking.runs import training_run
from varml.tracking.store import tracking_errors
from varml.training.evaluation import score_test_split
from varml.video.frames import frames_files, read_frames


@tracking_errors()
def main(params: Params) -> None:
    """No other stage looks at the videos of the test split."""
    manifest, model = read_manifest(MANIFEST), load_model(MODEL)
    baseline = json.loads(BASELINE.read_text())
    scores = score_test_split(manifest, params, model, baseline["backbone"])
    metrics = scores.metrics(params.evaluate.confidence)
    predictions = scores.predictions()
    write_json(TEST_METRICS, metrics)
    write_table(PREDICTIONS, predictions)
    write_table(CONFUSION, confusion_table(predictions))
    write_table(COVERAGE, coverage_curve(scores.labels, scores.model))
    run = training_run(params.register_.experiment, model_digest(MODEL))
    run.log_metrics({f"test_{name}": value for name, value in metrics.items()})
    run.log_figure(confusion_figure(predictions, scores.classes), "confusion.png")
    training, test = manifest[manifest["split"].isin(TRAINING_SPLITS)], scores.rows
    by_group = groups_tell(training, test)
    seen = is_seen(test, training, by_group=by_group)
    log_training_videos(run, training)
    latency = _latency_ms(params, model, test)
    answers = predictions.assign(seen=seen.to_numpy())
    log_evaluation(run, Evaluation(rows_digest(test), model_digest(MODEL), latency, answers))
    _evaluate_champion(params, test, by_group=by_group)


def _latency_ms(params: Params, model: LoadedModel, test: pd.DataFrame) -> float:
    clips = [read_frames(file) for file in frames_files(test, params.frames)[:NUM_TIMED]]
    return latency_ms(Predictor(model), clips)


def _evaluate_champion(params: Params, test: pd.DataFrame, *, by_group: bool) -> None:
    name, source = params.register_.model_name, source_folder(str(params.data.source))
    try:
        with tracking_errors():
            evaluate_champion(name, test, source, params.ingest.probe, params.engine.num_workers, by_group=by_group)
    except VarmlError as error:
        # The new model's figures stand without it, and the gate says what it misses.
        print(f"the champion of {name} cannot be asked about these test videos: {error}", file=sys.stderr)


if __name__ == "__main__":
    run_stage("evaluate", main)
