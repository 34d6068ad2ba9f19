"""What it takes to make a model again, kept with the run that trained it: source, environment, what was searched.

The commit stands among the run's tags (:mod:`varml.tracking.lineage`), params.yaml and dvc.yaml among its artifacts;
the folder ``provenance`` has the rest.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

from varml.ground.content_key import file_digest
from varml.ground.git import ask_git
from varml.ground.paths import BASELINE, BEST, LOCK, OOF, project_root
from varml.ground.versions import public_version
from varml.tracking.runs import TrackedRun

FOLDER = "provenance"
DIFF = "source.diff"
ENVIRONMENT = "requirements.txt"
# What the stage `search` gives to those after it.
SEARCHED = (BEST, OOF, BASELINE)
BEST_TAG = "varml.best."
# Of files that git does not know yet those that a run may depend on, unless they are larger: code, and no secrets.
_SUFFIXES = (".py",)
_MAX_BYTES = 1_000_000
_GIT_SEC = 60.0
# Whatever the user's own settings are: `git apply` is to take it.
_DIFF = (
    "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--binary", "HEAD",
    "--", ".",
)  # fmt: skip


def log_provenance(run: TrackedRun) -> None:
    """Keep with ``run``, a training in the project of the current folder, what it takes to make its model again."""
    with tempfile.TemporaryDirectory() as folder:
        diff = source_diff(_source_root())
        if diff:
            Path(folder, DIFF).write_bytes(diff)
        Path(folder, ENVIRONMENT).write_text(environment(), encoding="utf-8")
        run.client.log_artifacts(run.run_id, folder, FOLDER)
    for path in SEARCHED:
        run.log_artifact(path, f"{FOLDER}/{path.parent}")
    run.set_tags(best_tag())


def best_tag() -> dict[str, str]:
    """Return the tag of a search that wrote, and of a training that read, the present ``search/best.yaml``.

    It is named after the file's digest, for a search that goes on writes another one.
    """
    return {f"{BEST_TAG}{file_digest(BEST)[:16]}": "true"}


def source_diff(root: Path) -> bytes:
    """Return the difference of the git working tree at ``root`` to its commit, as ``git apply`` takes it.

    Code that git does not know yet is in it. dvc.lock is not: it is a result. Empty where nothing differs, or there is
    no git.
    """
    top = ask_git(root, "rev-parse", "--show-toplevel")
    if top is None:
        return b""
    place = Path(os.fsdecode(top).rstrip("\n"))
    new = (ask_git(place, "ls-files", "-z", "--others", "--exclude-standard") or b"").decode(errors="surrogateescape")
    code = [name for name in new.split("\0") if name.endswith(_SUFFIXES) and _is_small(place / name)]
    with tempfile.TemporaryDirectory() as folder:
        # An index of its own: that of the user stays as it is.
        own = {**os.environ, "GIT_INDEX_FILE": str(Path(folder, "index"))}
        ask_git(place, "read-tree", "HEAD", environment=own, timeout_sec=_GIT_SEC)
        if code:
            ask_git(place, "add", "--intent-to-add", "--", *code, environment=own, timeout_sec=_GIT_SEC)
        diff = ask_git(place, *_DIFF, f":(exclude,glob)**/{LOCK}", environment=own, timeout_sec=_GIT_SEC)
    if diff is None:
        print("warning: git does not say what differs from its commit: the run cannot be made again", file=sys.stderr)
    return diff or b""


def environment() -> str:
    """Return the installed distributions at their public versions, as pip takes them, under a line on the machine."""
    found = {one.metadata["Name"]: public_version(one.version) for one in distributions() if one.metadata["Name"]}
    found.pop("varml", None)  # it is installed from its source
    lines = [f"{name}=={found[name]}" for name in sorted(found, key=str.lower)]
    head = f"# Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return "\n".join([head, *lines, ""])


def _source_root() -> Path:
    # `dvc exp run --temp` runs in a copy, whose source is what counts.
    here = Path.cwd()
    return here if (here / LOCK).is_file() else project_root()


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= _MAX_BYTES
