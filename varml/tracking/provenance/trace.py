"""Where a registered version comes from, read back from its run: source, data, study and trials, environment."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from varml.errors import TrackingError
from varml.tracking.lineage import EXPERIMENT, GIT_COMMIT, GIT_DIRTY, INPUT
from varml.tracking.provenance.kept import BEST_TAG, DIFF, ENVIRONMENT, FOLDER
from varml.tracking.registry.promotion import DECISION
from varml.tracking.registry.versions import Version, find_version
from varml.tracking.runs import KIND, RESTORED, STUDY, TrackedRun, find_run
from varml.tracking.store import open_client

# Param of a training: the number of the trial that a member was.
TRIAL = "trial"


@dataclass(frozen=True)
class Trace:
    """What is known of a version: ``inputs`` are DVC's digests by path, ``trials`` the numbers of its members.

    ``commit`` and ``study`` are empty where they are not known. ``changed`` says how the source was not the commit's;
    ``restored``, that another store has the run that trained the model.
    """

    version: Version
    commit: str
    changed: str
    restored: bool
    experiment: str
    inputs: dict[str, str]
    study: str
    trials: list[int]
    python: str
    environment: list[str]
    decision: str


def trace(name: str, number: str | None = None) -> Trace:
    """Return where a version of the model ``name`` comes from; None is the present challenger.

    Raises TrackingError where there is no such version, or its run is gone.
    """
    client = open_client()
    version = find_version(client, name, number)
    run = run_of(version)
    tags, found = run.tags, client.get_run(run.run_id)
    python, *environment = _environment(run)
    members = sorted(key for key in found.data.params if key == TRIAL or key.endswith(f".{TRIAL}"))
    return Trace(
        version=version,
        commit=tags.get(GIT_COMMIT, ""),
        changed=_change_of(run, tags),
        restored=RESTORED in tags,
        experiment=tags.get(EXPERIMENT, ""),
        inputs={key.removeprefix(INPUT): value for key, value in sorted(tags.items()) if key.startswith(INPUT)},
        study=_study(client.get_experiment(found.info.experiment_id).name, _best(tags)),
        # The first member has no prefix, and "member_10" stands before "member_2".
        trials=[int(found.data.params[key]) for key in sorted(members, key=lambda key: (len(key), key))],
        python=python,
        environment=environment,
        decision=version.tags.get(DECISION, ""),
    )


def run_of(version: Version) -> TrackedRun:
    """Return the run that trained a version; raises TrackingError where it is gone."""
    if version.run is None:
        raise TrackingError(
            f"version {version.number} of {version.name!r} names no run that is still there, and so does not say where "
            "it comes from; register a model with `dvc repro`"
        )
    return version.run


def download(run: TrackedRun, place: str, target: Path) -> Path | None:
    """Copy an artifact of ``run``, a file or a folder, into ``target``; None where there is none."""
    parent = str(Path(place).parent)
    kept = {item.path for item in run.client.list_artifacts(run.run_id, None if parent == "." else parent)}
    return Path(run.client.download_artifacts(run.run_id, place, str(target))) if place in kept else None


def _change_of(run: TrackedRun, tags: dict[str, str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        if source_change(run, Path(folder)) is not None:
            return f"and what {FOLDER}/{DIFF} adds"
    return "with changes that are not kept" if tags.get(GIT_DIRTY) == "true" else ""


def source_change(run: TrackedRun, target: Path) -> Path | None:
    """Return the difference of the source to its commit, copied into ``target``, or None where there was none."""
    return download(run, f"{FOLDER}/{DIFF}", target)


def _environment(run: TrackedRun) -> list[str]:
    """Return the line on the machine, and the installed distributions."""
    with tempfile.TemporaryDirectory() as folder:
        file = download(run, f"{FOLDER}/{ENVIRONMENT}", Path(folder))
        lines = file.read_text(encoding="utf-8").splitlines() if file else []
    return [lines[0].removeprefix("# "), *lines[1:]] if lines else [""]


def _best(tags: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key.startswith(BEST_TAG)}


def _study(experiment: str, best: dict[str, str]) -> str:
    run = find_run(experiment, {KIND: "search", **best}) if best else None
    return run.tags.get(STUDY, "") if run else ""
