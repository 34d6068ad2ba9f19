"""The parent run of a search in MLflow: one for each study, taken up again when the search goes on."""

from __future__ import annotations

from varml.config.params import Params
from varml.data.splits import UNGROUPED
from varml.ground.content_key import file_digest
from varml.ground.paths import CONTACT_SHEET, DATA_CARD, DATA_PAGE, MANIFEST
from varml.tracking.runs import KIND, TrackedRun, create_run, delete_unfinished_children, find_own_run, reap_runs

STUDY = "varml.study"


def open_search_run(name: str, params: Params, warnings: list[str]) -> TrackedRun:
    """Return the parent run of the study ``name`` in this project, running.

    Other checkouts may search under the same name on one server; each has its own journal and its own parent.
    """
    tags = {KIND: "search", STUDY: name}
    experiment = params.register_.experiment
    reap_runs(experiment, "search")
    run = find_own_run(experiment, tags)
    if run is not None:
        delete_unfinished_children(run)
        run.client.update_run(run.run_id, status="RUNNING")
        return run
    run = create_run(experiment, f"search {name}", {**tags, **folds_tag(warnings)})
    search = params.search.model_dump()
    run.log_params({f"search.{key}": value for key, value in search.items() if key != "space"})
    run.log_dataset("manifest", file_digest(MANIFEST)[:32], "search")
    run.log_sources()
    for path in (DATA_CARD, DATA_PAGE, CONTACT_SHEET):
        if path.is_file():
            run.log_artifact(path)
    return run


def folds_tag(warnings: list[str]) -> dict[str, str]:
    """Return the tag that says whether validation kept groups apart."""
    return {"varml.folds": "ungrouped" if UNGROUPED in warnings else "grouped"}
