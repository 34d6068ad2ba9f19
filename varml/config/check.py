"""Checks what types alone cannot: the data source, and names that live in registries.

The registries' names are injected, so that this ground layer imports none of the layers above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from varml.config.params import Params
from varml.config.space import PREFIX, parse_space
from varml.config.tree import get_path
from varml.errors import Fault
from varml.paths import OUT_FOLDERS, project_root
from varml.registry import nearest_name


def check_names(params: Params, valid: Mapping[str, list[str]]) -> list[Fault]:
    """Return a fault for each value at a path of ``valid``, set or searched, that is not among its names."""
    tree = params.model_dump(by_alias=True)
    named = [(path, get_path(tree, path), path) for path in valid]
    for path, dimension in parse_space(params.search.space)[0].items():
        named += [(f"{PREFIX}.{path}", value, path) for value in dimension.samples() if path in valid]
    return [_name_fault(at, value, valid[path]) for at, value, path in named if value not in valid[path]]


def check_source(params: Params) -> list[Fault]:
    """Return the faults of ``data.source`` and ``data.annotations``."""
    if params.data.source is None:
        return [Fault("data.source", None, "must name a folder of labelled videos, such as 'sample'")]
    source = source_folder(params)
    if not source.is_dir():
        rule = "must be a folder; this is a file" if source.exists() else "must be a folder that exists"
        return [Fault("data.source", params.data.source, rule)]
    inside = [out for out in OUT_FOLDERS if source.is_relative_to((project_root() / out).resolve())]
    if inside or source == project_root():
        rule = f"must not be the project itself or lie inside a folder that stages write ({_listed(OUT_FOLDERS)})"
        return [Fault("data.source", params.data.source, rule)]
    return _annotation_faults(params, source)


def source_folder(params: Params) -> Path:
    """Return ``data.source`` as an absolute path; a relative one starts at the project root."""
    return (project_root() / str(params.data.source)).resolve()


def _annotation_faults(params: Params, source: Path) -> list[Fault]:
    name = params.data.annotations
    if name is None or (source / name).is_file():
        return []
    csvs = sorted(path.name for path in source.glob("*.csv"))
    rule = f"must be a CSV in {params.data.source}, or null for one folder per class"
    return [Fault("data.annotations", name, rule, nearest_name(name, csvs) or (csvs[0] if csvs else None))]


def _name_fault(path: str, value: object, names: list[str]) -> Fault:
    some = ", ".join(names) if len(names) <= 12 else f"{len(names)} names"
    return Fault(path, value, f"must be one of {some}", nearest_name(value, names))


def _listed(folders: tuple[Path, ...]) -> str:
    return ", ".join(str(folder) for folder in folders)
