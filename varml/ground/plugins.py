"""Parts from outside the package: modules that params.yaml names, imported so that what they register is found.

Processes that work for a stage import what the stage has imported (see :mod:`varml.ground.engine`).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from varml.errors import ConfigError, Fault
from varml.ground.content_key import content_key, file_digest
from varml.ground.registry import nearest_name

SUFFIX = ".py"
_PACKAGE = __name__.split(".")[0]
_loaded: dict[tuple[str, str], ModuleType] = {}  # by name and folder, in the order of import

Item = TypeVar("Item")
Result = TypeVar("Result")


def load_plugins(names: Sequence[str], folder: Path) -> None:
    """Import each plugin that is not imported yet: a module by its name, a ``.py`` file by its path from ``folder``.

    Raises ConfigError with the faults of all of them together.
    """
    faults = plugin_faults(names, folder)
    if faults:
        raise ConfigError(faults)


def plugin_faults(names: object, folder: Path) -> list[Fault]:
    """Import the plugins that can be imported, and return why the others cannot; a fault of types is left to others."""
    named = [name for name in names if isinstance(name, str)] if isinstance(names, list | tuple) else []
    found = [_fault(f"plugins.{number}", name, folder.resolve()) for number, name in enumerate(named)]
    return [fault for fault in found if fault]


def plugin_digests(names: Sequence[str]) -> dict[str, str]:
    """Return the sha256 of the file of each plugin, which must be imported, or of all Python files of a package."""
    imported = {name: module for (name, _), module in _loaded.items()}
    return {name: content_key(files=_digests(_files_of(imported[name]))) for name in names}


def code_identity(part: type) -> list[str]:
    """Return the sha256 of each file that a class or its bases are written in, outside varml and Python's library.

    Of a plugin that is a package, all of its files count.
    """
    names = [base.__module__ for base in part.__mro__ if _is_foreign(base.__module__)]
    return _digests([file for name in names for file in _files_of(_plugin_of(name))])


@dataclass(frozen=True)
class WithPlugins(Generic[Item, Result]):
    """A function for another process, with the plugins of the process that made it."""

    function: Callable[[Item], Result]
    plugins: tuple[tuple[str, str], ...]

    def __call__(self, item: Item) -> Result:
        """Return what the function does, once the plugins are imported."""
        for name, folder in self.plugins:
            load_plugins([name], Path(folder))
        return self.function(item)


def with_plugins(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """Return ``function``, or one that imports the plugins of this process first where it has any."""
    return WithPlugins(function, tuple(_loaded)) if _loaded else function


def _plugin_of(name: str) -> ModuleType:
    """Return the plugin that the module ``name`` belongs to, or the module itself where it belongs to none."""
    plugins = [module for module in _loaded.values() if f"{name}.".startswith(f"{module.__name__}.")]
    return plugins[0] if plugins else sys.modules[name]


def _files_of(module: ModuleType) -> list[Path]:
    if not module.__file__:
        return []
    file = Path(module.__file__)
    return sorted(file.parent.rglob(f"*{SUFFIX}")) if file.name == "__init__.py" else [file]


def _digests(files: Sequence[Path]) -> list[str]:
    return [file_digest(file) for file in dict.fromkeys(files)]


def _is_foreign(module: str) -> bool:
    return module.split(".")[0] not in {_PACKAGE, *sys.stdlib_module_names}


def _fault(path: str, name: str, folder: Path) -> Fault | None:
    key = (name, str(folder))
    if key in _loaded:
        return None
    try:
        _loaded[key] = _import_file(folder / name) if name.endswith(SUFFIX) else _import_module(name, folder)
    except _MissingError as missing:
        return Fault(path, name, str(missing), nearest_name(name, sorted(file.name for file in folder.glob("*.py"))))
    except (Exception, SystemExit) as error:  # a stranger's code fails in any way
        return Fault(path, name, f"must be imported without an error; it raises {type(error).__name__}: {error}")
    return None


class _MissingError(Exception):
    """There is no such plugin; the text is the rule."""


def _import_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise _MissingError("must be a file, its path relative to params.yaml")
    # Two files of one name in two folders are two modules.
    name = f"{file.stem}_{content_key(file=str(file))[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_module(name: str, folder: Path) -> ModuleType:
    # As in a stage, which starts with the project's folder on the path.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise _MissingError(
                f"must be a module that can be imported here, or the path of a {SUFFIX} file"
            ) from error
        raise
