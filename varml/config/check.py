"""Checks what types alone cannot: the data source, names that live in registries, and arguments of what they name.

The registries' names are injected, so that this ground layer imports none of the layers above it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from varml.config.faults import faults_of
from varml.config.load import read_tree, space_of, validate
from varml.config.params import Params
from varml.config.part import NAME
from varml.config.space import PREFIX
from varml.config.tree import get_path
from varml.errors import ConfigError, Fault
from varml.ground.paths import OUT_FOLDERS, project_root
from varml.ground.plugins import plugin_faults
from varml.ground.registry import nearest_name

# Where files of weights are named, and of what.
WEIGHTS_OF = {"features.weights": "model.backbone", "flow.weights": "flow.estimator"}

SAMPLER = "search.sampler"

Names = Mapping[str, list[str]]  # that are allowed at a params path
# By params path and name, the model of the arguments that a part takes there.
Arguments = Mapping[str, Mapping[str, type[BaseModel]]]


def _no_arguments() -> Arguments:
    return {}


def check_params(path: Path, valid: Callable[[], Names], arguments: Callable[[], Arguments] = _no_arguments) -> Params:
    """Return the params of ``path`` after every check that needs no video.

    ``valid`` is asked, once the plugins are imported, for the names that are allowed at params paths, and ``arguments``
    for those of parts that take some. Raises ConfigError with all faults together: types, ranges, space, plugins,
    names, arguments and data source.
    """
    tree = read_tree(path)
    params, faults = validate(tree)
    faults += plugin_faults(tree.get("plugins"), path.parent)
    taken = arguments()
    faults += name_faults(tree, {**valid(), **{at: sorted(models) for at, models in taken.items()}})
    faults += argument_faults(tree, taken)
    faults += sampler_faults(tree, taken.get(SAMPLER, {}))
    faults += source_faults(tree)
    if params is None or faults:
        raise ConfigError(faults, path.name)
    return params


def source_faults(tree: dict[str, Any]) -> list[Fault]:
    """Return the faults of ``data.source`` and of what names files in it, in params as nested dictionaries."""
    name, annotations = get_path(tree, "data.source"), get_path(tree, "data.annotations")
    if not isinstance(name, str) or "\0" in name:
        return [Fault("data.source", name, "must name a folder of labelled videos, such as 'sample'")]
    source, root = source_folder(name), project_root()
    if root.is_relative_to(source) or any(source.is_relative_to((root / out).resolve()) for out in OUT_FOLDERS):
        rule = f"must not hold the project or lie inside a folder that stages write ({_listed(OUT_FOLDERS)})"
        return [Fault("data.source", name, rule)]
    if not source.is_dir():
        rule = "must be a folder; this is a file" if source.exists() else "must be a folder that exists"
        return [Fault("data.source", name, rule)]
    return _annotation_faults(name, source, annotations) + _list_faults(
        name, source, get_path(tree, "data.split_lists")
    )


def source_folder(name: str) -> Path:
    """Return ``data.source`` as an absolute path; a relative one starts at the project root."""
    return (project_root() / name).resolve()


def name_faults(tree: dict[str, Any], valid: Names) -> list[Fault]:
    """Return the names in params that are not among those ``valid`` at their path, those of weights included.

    Where there is a search space, its choices at that path are looked at too.
    """
    named = [(*_named_at(tree, path), path) for path in valid]
    for path in valid:
        node = get_path(space_of(tree), path)
        choices = node.get("choices") if isinstance(node, dict) else None
        named += [(f"{PREFIX}.{path}", value, path) for value in choices] if isinstance(choices, list) else []
    for path, of in WEIGHTS_OF.items():
        node = get_path(tree, path)
        named += [(path, name, of) for name in node] if isinstance(node, dict) and of in valid else []
    return [
        _name_fault(at, value, valid[path])
        for at, value, path in named
        if value is not None and value not in valid[path]
    ]


def argument_faults(tree: dict[str, Any], arguments: Arguments) -> list[Fault]:
    """Return the faults of the arguments that stand beside names; those of names are :func:`name_faults`."""
    faults: list[Fault] = []
    for path, models in arguments.items():
        node = get_path(tree, path)
        model = models.get(str(node.get(NAME))) if isinstance(node, dict) else None
        if model is not None:
            try:
                model.model_validate({key: value for key, value in node.items() if key != NAME})
            except ValidationError as error:
                faults += faults_of(error, model, path)
    return faults


def sampler_faults(tree: dict[str, Any], samplers: Mapping[str, type[BaseModel]]) -> list[Fault]:
    """Return the fault of a sampler that draws for one objective alone where params name several."""
    objectives, (at, name) = get_path(tree, "search.objectives"), _named_at(tree, SAMPLER)
    able = sorted(one for one, model in samplers.items() if getattr(model, "several_objectives", True))
    if not isinstance(objectives, list) or len(objectives) < 2 or name not in samplers or name in able:
        return []
    rule = f"draws for one objective alone; choose one of {', '.join(able)}, or name one of search.objectives"
    return [Fault(at, name, rule)]


def _named_at(tree: dict[str, Any], path: str) -> tuple[str, Any]:
    """Return where the name at ``path`` stands, and the name: that of a part with arguments stands among them."""
    node = get_path(tree, path)
    return (f"{path}.{NAME}", node.get(NAME)) if isinstance(node, dict) else (path, node)


def _annotation_faults(source_name: str, source: Path, name: object) -> list[Fault]:
    if name is None:
        return []
    file = (source / str(name)).resolve()
    if file.is_file() and file.parent == source:
        return []
    csvs = sorted(path.name for path in source.glob("*.csv"))
    rule = f"must be a CSV in {source_name}, or null for one folder per class"
    return [Fault("data.annotations", name, rule, nearest_name(name, csvs) or (csvs[0] if csvs else None))]


def _list_faults(source_name: str, source: Path, lists: object) -> list[Fault]:
    named = [(split, names) for split, names in lists.items()] if isinstance(lists, dict) else []
    return [
        Fault(f"data.split_lists.{split}", name, f"must be a file below {source_name}", _nearest_list(name, source))
        for split, names in named
        for name in (names if isinstance(names, list) else [])
        if not _is_file_below(source, name)
    ]


def _is_file_below(source: Path, name: object) -> bool:
    file = (source / str(name).replace("\0", "?")).resolve()
    return file.is_file() and file.is_relative_to(source)


def _nearest_list(name: object, source: Path) -> str | None:
    return nearest_name(name, sorted(str(path.relative_to(source)) for path in source.glob("**/*.txt")))


def _name_fault(path: str, value: object, names: list[str]) -> Fault:
    some = ", ".join(names) if len(names) <= 12 else f"{len(names)} names"
    return Fault(path, value, f"must be one of {some}", nearest_name(value, names))


def _listed(folders: tuple[Path, ...]) -> str:
    return ", ".join(str(folder) for folder in folders)
