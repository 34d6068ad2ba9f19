"""Searches for the best recogniser on cached features; every trial is an MLflow run."""

import sys

from pipelines._stage import run_stage
from varml.config.params import Params
from varml.config.space import backbones_of
from varml.data.manifest import read_manifest
from varml.data.validation import TRAINING_SPLITS, make_validation
from varml.ground.paths import BASELINE, BEST, MANIFEST, OOF, SEARCH_METRICS, TRIALS, state_folder
from varml.search.confirmation import Confirmer
from varml.search.metric import with_metric
from varml.search.objective import Objective
from varml.search.project_data import feature_loader, fold_loader, study_name, study_terms
from varml.search.results import write_results
from varml.search.run import Search
from varml.search.search_run import open_search_run
from varml.tracking.runs import tracked
from varml.tracking.store import tracking_errors


@tracking_errors()
def main(params: Params) -> None:
    """A study that has its trials runs none and writes the same outs again."""
    manifest = read_manifest(MANIFEST, splits=TRAINING_SPLITS)
    params = with_metric(params, manifest)
    folds, warnings = make_validation(manifest, params)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    terms = study_terms(manifest, params, backbones_of(params))
    name = study_name(terms, params.search)
    load = feature_loader(manifest, params)
    load_fold = fold_loader(manifest, params, load)
    objective = Objective(params, load, folds, load_fold, params.engine.num_workers)
    with tracked(open_search_run(name, params, warnings)) as parent:
        result = Search(params, objective, parent, state_folder() / "studies", name, terms).run()
        confirmer = Confirmer(params, manifest, objective, terms, state_folder() / "studies" / name, parent)
        confirmation = confirmer.confirm(result)
        write_results(result, params, BEST, TRIALS, OOF, BASELINE, SEARCH_METRICS, confirmation)
        parent.log_artifact(BEST)
        parent.log_artifact(TRIALS)


if __name__ == "__main__":
    run_stage("search", main)
