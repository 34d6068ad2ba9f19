"""Registers the model as a new version, @challenger, and ends with the table of what came out."""

import json

from pipelines._stage import run_stage
from varml.cli.promotion import refusal
from varml.cli.report import print_report
from varml.config.params import Params
from varml.ground.atomic import write_json
from varml.ground.paths import BEST, MODEL, REGISTERED, TEST_METRICS
from varml.models.model_files import model_digest
from varml.search.results import read_best
from varml.tracking.registry.promotion import promote, was_judged
from varml.tracking.registry.versions import Registered, find_version, register_model
from varml.tracking.runs import training_run
from varml.tracking.store import open_client, tracking_errors


@tracking_errors()
def main(params: Params) -> None:
    """The out names no version: versions differ between registries, and outs do not differ between runs."""
    digest, metrics = model_digest(MODEL), json.loads(TEST_METRICS.read_text())
    run = training_run(params.register_.experiment, digest)
    tags = {f"test_{name}": f"{metrics[name]:.4f}" for name in ("top1", "macro_f1", "baseline_top1")}
    registered = register_model(MODEL, params.register_.model_name, run, tags)
    if params.register_.promote == "auto":
        registered = _promoted(registered, params)
    write_json(REGISTERED, {"model_name": params.register_.model_name, "model_digest": digest})
    print_report(read_best(BEST), metrics, params.register_.model_name, registered)


def _promoted(registered: Registered, params: Params) -> Registered:
    """Ask the gate about a version that is new to it, say why it refuses, and return who is champion then."""
    # One that was judged may have been rolled back since.
    if was_judged(find_version(open_client(), params.register_.model_name, registered.version)):
        return registered
    asked = promote(params.register_.model_name, params.register_.gate, registered.version)
    if not asked.promoted:
        print(refusal(asked))
        return registered
    return Registered(registered.version, registered.version)


if __name__ == "__main__":
    run_stage("register", main)
