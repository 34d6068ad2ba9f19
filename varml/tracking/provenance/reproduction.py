"""A registered model made again from nothing but its run and the repository: source, environment, data, training.

The search is not run again: what it found is kept with the run. On the same processor, and with the same versions, the
model comes out the same to the byte.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from varml.data.manifest import read_manifest, rows_digest
from varml.errors import TrackingError
from varml.ground.git import ask_git
from varml.ground.paths import MANIFEST, MODEL, PARAMS, PIPELINE, PREDICTIONS, project_root
from varml.ground.versions import public_version
from varml.metrics.probability_columns import classes_of, columns_of
from varml.models.model_files import model_digest
from varml.tracking.provenance.kept import ENVIRONMENT, FOLDER, SEARCHED
from varml.tracking.provenance.trace import Trace, download, run_of, source_change
from varml.tracking.registry.evaluations import read_evaluation
from varml.tracking.runs import TrackedRun

# What is not run again: the search, whose result is kept, and the registry, which has the model.
LEFT_OUT = ("search", "register")
_PINNED = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!_-]+")
# Of an interpreter that need not have varml in it.
_LIST = "from importlib.metadata import distributions as d; print(*(f'{i.name}=={i.version}' for i in d()), sep='\\n')"


@dataclass(frozen=True)
class Reproduction:
    """What came out: whether the model has the same bytes, and how its answers on the test videos differ.

    ``num_other`` of ``num_videos`` answers are other ones, and ``largest`` is the largest difference of a probability;
    None where the version has no evaluation, or the test videos are others. ``versions`` are the distributions of the
    environment that are not those of the run.
    """

    folder: Path
    same_bytes: bool
    num_videos: int | None
    num_other: int | None
    largest: float | None
    versions: list[str]

    @property
    def is_the_same(self) -> bool:
        """Whether the model is the same one, by its bytes or by all its answers."""
        return self.same_bytes or (self.num_other == 0 and self.largest == 0)


def reproduce(traced: Trace, target: Path, source: Path | None = None, python: str | None = None) -> Reproduction:
    """Make the model of a version again in the folder ``target``, which must not exist or be empty.

    ``source`` is where its videos lie now, if not where they lay; ``python`` is an interpreter that has what is needed,
    and without one a virtual environment is made with the versions of the run. The source of the run is run, with what
    was changed in it, as the store has it. Raises TrackingError where the run or the repository lacks what is needed,
    or a step fails.
    """
    # Steps run in folders of their own. The link that is a virtual environment's interpreter is not followed.
    run, target, python = run_of(traced.version), target.resolve(), python and os.path.abspath(_program(python))  # noqa: PTH100
    _check(traced, target)
    project = _check_out(traced, run, target)
    _restore(run, project, source)
    interpreter = python or _make_environment(run, project)
    for name, command in _stages(project):
        _run([interpreter if word == "python" else word for word in command], project, f"the stage {name}")
    return _compare(traced, run, project, interpreter)


def _check(traced: Trace, target: Path) -> None:
    if traced.restored or not traced.commit:
        why = "came from DVC's cache, so that another store has the run that trained it" if traced.restored else (
            "was trained outside a git repository"
        )  # fmt: skip
        raise TrackingError(f"version {traced.version.number} {why}; it cannot be made again from here")
    if target.exists() and any(target.iterdir()):
        raise TrackingError(f"{target} must not exist or be empty; name another folder")


def _check_out(traced: Trace, run: TrackedRun, target: Path) -> Path:
    """Clone the repository at the version's commit, with what was changed in it, and return the project's folder."""
    root = project_root()
    top, prefix = (ask_git(root, "rev-parse", what) for what in ("--show-toplevel", "--show-prefix"))
    if top is None or ask_git(root, "cat-file", "-e", f"{traced.commit}^{{commit}}") is None:
        raise TrackingError(f"the commit {traced.commit} is not in the git repository of {root}; fetch it first")
    place = os.fsdecode(top).rstrip("\n")
    _run(["git", "clone", "--quiet", "--no-checkout", place, str(target)], root, "git clone")
    _run(["git", "checkout", "--quiet", "--detach", traced.commit], target, "git checkout")
    with tempfile.TemporaryDirectory() as folder:
        diff = source_change(run, Path(folder))
        if diff is not None:
            _run(["git", "apply", "--whitespace=nowarn", str(diff)], target, "git apply")
    return target / os.fsdecode(prefix or b"").rstrip("\n")


def _restore(run: TrackedRun, project: Path, source: Path | None) -> None:
    """Put the params of the run and the result of the search where the stages look for them."""
    with tempfile.TemporaryDirectory() as folder:
        for name, place in {str(PARAMS): PARAMS, **{f"{FOLDER}/{path}": path for path in SEARCHED}}.items():
            file = download(run, name, Path(folder))
            if file is None:
                raise TrackingError(f"the run {run.run_id} has no artifact {name}; it was made by an earlier varml")
            (project / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, project / place)
    if source is not None:
        yaml = YAML()
        tree = yaml.load(project / PARAMS)
        tree["data"]["source"] = str(source.resolve())
        yaml.dump(tree, project / PARAMS)


def _make_environment(run: TrackedRun, project: Path) -> str:
    """Install the distributions of the run, and the source, in a virtual environment; return its interpreter."""
    venv.create(project / ".venv", with_pip=True)
    interpreter = str(project / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    with tempfile.TemporaryDirectory() as folder:
        file = download(run, f"{FOLDER}/{ENVIRONMENT}", Path(folder))
        if file is None:
            raise TrackingError(f"the run {run.run_id} does not say what was installed; name an interpreter: --python")
        _check_requirements(file)
        _run([interpreter, "-m", "pip", "install", "--quiet", "-r", str(file)], project, "pip install")
    _run([interpreter, "-m", "pip", "install", "--quiet", "--no-deps", "-e", "."], project, "pip install")
    return interpreter


def _check_requirements(file: Path) -> None:
    # Any other line may name another index, or a program to download.
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#") and not _PINNED.fullmatch(line):
            raise TrackingError(f"{ENVIRONMENT} of the run must list NAME==VERSION, a line each, and has {line!r}")


def _program(python: str) -> str:
    found = shutil.which(python)
    if found is None:
        raise TrackingError(f"{python} is no program; name a Python interpreter: --python")
    return found


def _stages(project: Path) -> Iterator[tuple[str, list[str]]]:
    for name, stage in YAML(typ="safe").load(project / PIPELINE)["stages"].items():
        if name not in LEFT_OUT:
            yield name, shlex.split(stage["cmd"])


def _run(command: list[str], folder: Path, what: str) -> None:
    # Neither the stage that runs us nor the store of this project: what is made again is on its own.
    own = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
    own |= {"DVC_ROOT": str(folder.resolve())}
    print(f"{what}: {shlex.join(command)}", file=sys.stderr, flush=True)
    if status := subprocess.run(command, cwd=folder, env=own, check=False).returncode:
        raise TrackingError(f"{what} ended with status {status} in {folder}; see what it printed")


def _compare(traced: Trace, run: TrackedRun, project: Path, interpreter: str) -> Reproduction:
    same = model_digest(project / MODEL) == traced.version.digest
    before = read_evaluation(run, rows_digest(read_manifest(project / MANIFEST, splits=("test",))))
    after = pd.read_csv(project / PREDICTIONS, dtype={"video_id": "str", "predicted": "str"}, keep_default_na=False)
    differences: dict[str, Any] = {"num_videos": None, "num_other": None, "largest": None}
    if before is not None:
        differences = _differences(before.predictions, after)
    return Reproduction(project, same, versions=_other_versions(traced, interpreter), **differences)


def _differences(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    one, other = (table.set_index("video_id").sort_index() for table in (before, after))
    columns = columns_of(classes_of(one))
    gaps = np.abs(one[columns].to_numpy() - other.reindex(columns=columns).to_numpy())
    return {
        "num_videos": len(one),
        "num_other": int((one["predicted"] != other["predicted"]).sum()),
        "largest": float(gaps.max()),
    }


def _other_versions(traced: Trace, interpreter: str) -> list[str]:
    done = subprocess.run([interpreter, "-c", _LIST], capture_output=True, text=True, check=False)
    here = {public_version(line) for line in done.stdout.splitlines()}
    return sorted(set(traced.environment) - here)
