"""Where a run comes from, as tags: git commit, DVC stage and experiment, digests of the stage's inputs, leaks.

Light, because MLflow calls it for every run that anybody makes in a varml project.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from varml.ground.git import ask_git
from varml.ground.paths import DATA_CARD, LOCK, MANIFEST, PARAMS, PIPELINE, project_root

GIT_COMMIT = "varml.git.commit"
GIT_DIRTY = "varml.git.dirty"
STAGE = "varml.dvc.stage"
EXPERIMENT = "varml.dvc.experiment"
INPUT = "varml.input."
CROSSING_GROUPS = "varml.crossing_groups"


def is_project(root: Path) -> bool:
    """Return whether ``root`` holds a varml project."""
    return all((root / name).exists() for name in (PARAMS, PIPELINE, ".dvc"))


def lineage_tags(root: Path | None = None) -> dict[str, str]:
    """Return the tags of a run made now in the project at ``root`` (default: where we are).

    Inside a stage the inputs are all of its dependencies that ``dvc.lock`` knows as outs, by DVC's own digest;
    elsewhere the manifest is named, which stands for the data. Where its data card says that groups cross the given
    splits, every run says so too: its figures must not be compared with others.
    """
    root = root or project_root()
    # `dvc exp run --temp` runs in a copy: its commit and lock are what counts, not the parent project's.
    here = Path.cwd() if (Path.cwd() / LOCK).is_file() else root
    stage = os.environ.get("DVC_STAGE", "")
    tags = {**_git_tags(here), STAGE: stage, EXPERIMENT: os.environ.get("DVC_EXP_NAME", "")}
    digests = _out_digests(here)
    inputs = _stage_deps(here, stage) if stage else [str(MANIFEST)]
    tags |= {f"{INPUT}{path}": digests[path] for path in inputs if path in digests}
    tags[CROSSING_GROUPS] = "allowed" if _card(here).get("num_crossing_groups") else ""
    return {key: value for key, value in tags.items() if value}


def _git_tags(root: Path) -> dict[str, str]:
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return {}
    # dvc.lock changes while the pipeline runs; it is a result and does not make the source another one.
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", f":!{LOCK}")
    return {GIT_COMMIT: commit, GIT_DIRTY: "true" if changed else "false"}


def _git(root: Path, *arguments: str) -> str:
    return (ask_git(root, *arguments) or b"").decode(errors="replace").strip()


def _stage_deps(root: Path, stage: str) -> list[str]:
    entry = _read(root / PIPELINE).get("stages", {}).get(stage, {})
    return [dep for dep in entry.get("deps", []) if isinstance(dep, str)]


def _out_digests(root: Path) -> dict[str, str]:
    stages = _read(root / LOCK).get("stages", {})
    outs = [out for entry in stages.values() for out in entry.get("outs", [])]
    return {out["path"]: str(out["md5"]) for out in outs if "md5" in out}


def _card(root: Path) -> dict[str, Any]:
    try:
        card = json.loads((root / DATA_CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = YAML(typ="safe", pure=True).load(path)
    except (OSError, YAMLError):
        return {}
    return tree if isinstance(tree, dict) else {}
