"""The parent run of a search in MLflow: one for each study, taken up again when the search goes on."""

from __future__ import annotations

from varml.data.splits import UNGROUPED
from varml.ground.content_key import file_digest
from varml.ground.paths import CONTACT_SHEET, DATA_CARD, DATA_PAGE, MANIFEST
from varml.search.parallel.shared_study import Work
from varml.search.parallel.storage import open_storage
from varml.tracking.runs import KIND, STUDY, TrackedRun, create_run, find_own_run, find_run, reap_runs

STORAGE = "varml.storage"  # of a study that several projects share


def open_search_run(work: Work, warnings: list[str]) -> TrackedRun:
    """Return the parent run of a study, running, made by whoever comes first.

    Other checkouts may search under the same name on one MLflow server; each that has a journal of its own has a parent
    of its own.
    """
    storage, experiment = open_storage(work.folder), work.params.register_.experiment
    reap_runs(experiment, "search")
    tags = {KIND: "search", STUDY: work.name}
    with storage.locked(f"{work.name}-parent"):
        if storage.shared_as:
            tags[STORAGE] = storage.shared_as
            run = find_run(experiment, tags)
        else:
            run = find_own_run(experiment, tags)
        if run is None:
            return _new_run(work, {**tags, **folds_tag(warnings)})
    run.client.update_run(run.run_id, status="RUNNING")
    return run


def _new_run(work: Work, tags: dict[str, str]) -> TrackedRun:
    run = create_run(work.params.register_.experiment, f"search {work.name}", tags)
    search = work.params.search.model_dump()
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
