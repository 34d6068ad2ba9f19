"""Runs: one function makes all of them, so that none is without its lineage tags or its final status."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from varml.ground.content_key import content_key
from varml.ground.paths import PARAMS, PIPELINE, project_root
from varml.tracking.store import experiment_id, open_client, ping_store

Status = Literal["FINISHED", "FAILED", "KILLED"]
Point = tuple[str, float, int]  # metric, value, step

# What kind of run it is: search, trial, baseline, train.
KIND = "varml.kind"
MODEL_DIGEST = "varml.model_digest"
# The name of a search's study.
STUDY = "varml.study"
# Which project on which machine made a run: it tells what a kill left behind from what others are doing.
PLACE = "varml.place"
PARENT = "mlflow.parentRunId"
# The model came from DVC's cache: another store has the run that trained it.
RESTORED = "varml.restored"
# MLflow's own limits for one request: 100 params, 1,000 entries of all kinds.
_MAX_PARAMS = 100
_MAX_METRICS = 1000 - _MAX_PARAMS


@dataclass(frozen=True)
class TrackedRun:
    """One MLflow run that is written to through its client."""

    client: Any
    run_id: str

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log params; their dotted paths are their names."""
        self.log_batch(params, [])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step."""
        self.log_curves([(key, value, step) for key, value in metrics.items()])

    def log_curves(self, points: Sequence[Point]) -> None:
        """Log many points of many metrics in few requests."""
        self.log_batch({}, points)

    def log_batch(self, params: Mapping[str, Any], points: Sequence[Point]) -> None:
        """Log params and points, in one request where MLflow takes them at once."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        named = [Param(key, str(value)) for key, value in params.items()]
        metrics = [Metric(key, float(value), now, step) for key, value, step in points]
        while named or metrics:
            self.client.log_batch(self.run_id, params=named[:_MAX_PARAMS], metrics=metrics[:_MAX_METRICS])
            named, metrics = named[_MAX_PARAMS:], metrics[_MAX_METRICS:]

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        for key, value in tags.items():
            self.client.set_tag(self.run_id, key, value)

    @property
    def tags(self) -> dict[str, str]:
        """The tags that the run has now."""
        return dict(self.client.get_run(self.run_id).data.tags)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file into the run's artifacts."""
        self.client.log_artifact(self.run_id, str(path), folder)

    def log_figure(self, figure: Any, name: str) -> None:
        """Save a matplotlib figure among the run's artifacts."""
        self.client.log_figure(self.run_id, figure, name)

    def log_dataset(self, name: str, digest: str, context: str) -> None:
        """Name the data that the run used."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(name=name, digest=digest, source_type="varml", source=f'{{"manifest": "{digest}"}}')
        tags = [InputTag("mlflow.data.context", context)]
        self.client.log_inputs(self.run_id, datasets=[DatasetInput(dataset, tags)])

    def log_sources(self) -> None:
        """Log params.yaml and dvc.yaml of the current folder."""
        for path in (PARAMS, PIPELINE):
            if path.is_file():
                self.log_artifact(path)

    def finish(self, status: Status, end_time_ms: int | None = None) -> None:
        """Give the run its final status."""
        self.client.set_terminated(self.run_id, status=status, end_time=end_time_ms)


def create_run(
    experiment: str,
    name: str,
    tags: Mapping[str, str],
    *,
    parent: TrackedRun | None = None,
    start_time_ms: int | None = None,
) -> TrackedRun:
    """Create a run with the tags of every context plug-in; the caller finishes it."""
    client = parent.client if parent else open_client()
    from mlflow.tracking.context.registry import resolve_tags

    own = {**tags, PLACE: _place(), **({PARENT: parent.run_id} if parent else {})}
    run = client.create_run(
        experiment_id(client, experiment), start_time=start_time_ms, tags=resolve_tags(own), run_name=name
    )
    return TrackedRun(client, run.info.run_id)


def reap_runs(experiment: str, kind: str) -> None:
    """End the runs of ``kind`` that a killed process of this project left running.

    Only the holder of the stage's lock may call it: no other process makes runs of this kind then.
    """
    client = open_client()
    mine = f"attributes.status = 'RUNNING' and tags.`{KIND}` = '{kind}' and tags.`{PLACE}` = '{_place()}'"
    for run in client.search_runs([experiment_id(client, experiment)], mine, max_results=1000):
        client.set_terminated(run.info.run_id, status="KILLED")


def _place() -> str:
    return content_key(host=platform.node(), root=str(project_root()))


@contextmanager
def tracked(run: TrackedRun) -> Iterator[TrackedRun]:
    """Finish ``run`` when the block ends: FINISHED, FAILED after an exception, KILLED after an interrupt."""
    try:
        yield run
    except BaseException as error:
        _finish_unless_away(run, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    run.finish("FINISHED")


def _finish_unless_away(run: TrackedRun, status: Status) -> None:
    # What is on its way says more than what MLflow says now; a run that is left running is ended by the next one.
    with suppress(Exception):
        ping_store()
        run.finish(status)


def find_run(experiment: str, tags: Mapping[str, str]) -> TrackedRun | None:
    """Return the newest run that has all ``tags``, or None."""
    client = open_client()
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    found = client.search_runs(
        [experiment_id(client, experiment)], wanted, max_results=1, order_by=["attributes.start_time DESC"]
    )
    return TrackedRun(client, found[0].info.run_id) if found else None


def find_own_run(experiment: str, tags: Mapping[str, str]) -> TrackedRun | None:
    """Return the newest run that has all ``tags`` and was made by this project on this machine, or None."""
    return find_run(experiment, {**tags, PLACE: _place()})


def delete_unfinished_children(parent: TrackedRun) -> None:
    """Delete the runs under ``parent`` whose writer was killed half-way; what they stand for is written anew."""
    for run in children(parent):
        if run.info.status == "RUNNING":
            parent.client.delete_run(run.info.run_id)


def training_run(experiment: str, digest: str) -> TrackedRun:
    """Return the run that trained the model with this digest.

    Where DVC restored the model from a cache or a remote, this store has not seen it trained; it then gets a
    finished run that says so.
    """
    tags = {KIND: "train", MODEL_DIGEST: digest}
    found = find_run(experiment, tags)
    if found is not None:
        return found
    run = create_run(experiment, "train (restored)", {**tags, RESTORED: "true"})
    run.finish("FINISHED")
    return run


def children(parent: TrackedRun) -> list[Any]:
    """Return all MLflow runs under ``parent``."""
    experiment = parent.client.get_run(parent.run_id).info.experiment_id
    query, found, token = f"tags.`{PARENT}` = '{parent.run_id}'", [], None
    while True:
        page = parent.client.search_runs([experiment], query, max_results=1000, page_token=token)
        found += list(page)
        token = page.token
        if not token:
            return found
