"""Searches for the best recogniser on cached features; every trial is an MLflow run."""

import sys

from pipelines._stage import run_stage
from varml.config.params import Params
from varml.ground.paths import BASELINE, BEST, OOF, SEARCH_METRICS, TRIALS
from varml.search.confirmation.confirm import confirm_project
from varml.search.plots.log import log_plots
from varml.search.project_data import project_work
from varml.search.results import write_results
from varml.search.run import run_search
from varml.search.search_run import open_search_run
from varml.search.study import load_study
from varml.tracking.provenance.kept import best_tag
from varml.tracking.runs import tracked
from varml.tracking.store import tracking_errors


@tracking_errors()
def main(params: Params) -> None:
    """A study that has its trials runs none and writes the same outs again."""
    work, warnings = project_work(params)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    with tracked(open_search_run(work, warnings)) as parent:
        result = run_search(work, parent)
        confirmation = confirm_project(work, result, parent)
        write_results(result, work.params, BEST, TRIALS, OOF, BASELINE, SEARCH_METRICS, confirmation)
        parent.log_artifact(BEST)
        parent.log_artifact(TRIALS)
        parent.set_tags(best_tag())
        log_plots(load_study(work.folder, work.name), parent, work.params.search.metric, params.seed)


if __name__ == "__main__":
    run_stage("search", main)
