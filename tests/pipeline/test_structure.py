"""dvc.yaml against the import graph, against the paths, and against the params."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import pytest
from ruamel.yaml import YAML

from varml.config import load_params
from varml.config.tree import get_path
from varml.ground import paths

ROOT = Path(__file__).resolve().parents[2]
PIPELINE: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")
STAGES = list(PIPELINE["stages"])


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("varml", "pipelines", exclude_type_checking_imports=True)


def code_used(graph: grimp.ImportGraph, stage: str) -> Iterator[str]:
    """Yield the folders of the library, and the files beside them, that a stage imports."""
    for module in {f"pipelines.{stage}", *graph.find_upstream_modules(f"pipelines.{stage}")}:
        package, *rest = module.split(".")
        if package == "pipelines" and rest:
            yield f"pipelines/{rest[0]}.py"
        elif rest:
            folder = f"{package}/{rest[0]}"
            yield folder if (ROOT / folder).is_dir() else f"{folder}.py"


def paths_of(entries: list[Any]) -> set[str]:
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def outs_of(stage: str) -> set[str]:
    entry = PIPELINE["stages"][stage]
    return paths_of([*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])])


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_code_that_it_imports_and_on_no_other(graph: grimp.ImportGraph, stage: str) -> None:
    listed = {dep for dep in PIPELINE["stages"][stage]["deps"] if dep.startswith(("varml/", "pipelines/"))}
    assert listed == set(code_used(graph, stage))


def test_every_out_and_every_dep_is_a_path_of_the_library() -> None:
    named = {str(value) for value in vars(paths).values() if isinstance(value, Path)}
    deps = {d for s in STAGES for d in PIPELINE["stages"][s]["deps"] if not d.startswith(("varml/", "pipelines/"))}
    outs = set().union(*map(outs_of, STAGES))
    assert outs | deps <= named
    assert {str(p) for p in (paths.MANIFEST, paths.FRAMES, paths.FLOW, paths.FEATURES, paths.BEST, paths.MODEL)} <= outs


def test_a_dep_is_the_out_of_an_earlier_stage() -> None:
    made = {"params.yaml"}
    for stage in STAGES:
        deps = {d for d in PIPELINE["stages"][stage]["deps"] if not d.startswith(("varml/", "pipelines/"))}
        assert deps <= made, stage
        made |= outs_of(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_the_params_of_a_stage_exist(stage: str) -> None:
    tree = load_params(ROOT / "params.yaml").model_dump(by_alias=True)
    for path in PIPELINE["stages"][stage].get("params", []):
        *parents, last = path.split(".")
        assert last in (get_path(tree, ".".join(parents)) if parents else tree), path


def test_every_section_of_params_belongs_to_a_stage() -> None:
    sections = set(YAML(typ="safe").load(ROOT / "params.yaml"))
    used = {path.split(".")[0] for s in STAGES for path in PIPELINE["stages"][s].get("params", [])}
    assert sections - used == {"engine"}  # where work runs does not change what comes out


def test_every_value_of_params_is_commented() -> None:
    for line in (ROOT / "params.yaml").read_text().splitlines():
        is_value = line.strip() and not line.strip().startswith("#") and not line.rstrip().endswith(":")
        inside_space = "choices:" in line or "type:" in line
        assert not is_value or inside_space or "#" in line, line
