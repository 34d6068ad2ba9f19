"""Plugins: files and modules from outside the package, also in the processes that work for a stage."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from varml.errors import ConfigError
from varml.ground import plugins
from varml.ground.engine import map_isolated, map_parallel
from varml.ground.plugins import code_identity, load_plugins, plugin_digests, plugin_faults
from varml.ground.registry import Registry

shapes: Registry[type] = Registry("shape")
OVAL = """
from test_plugins import shapes

@shapes.register({name!r})
class Oval:
    pass
"""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No plugin is imported before a test, and none stays."""
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setattr(shapes, "_entries", {})
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def where_and_what(name: str) -> tuple[int, list[str]]:
    """Return this process and the plugins that it has (in a worker, this very module is imported anew)."""
    return os.getpid(), [module.NAME for module in plugins._loaded.values()]


@pytest.mark.parametrize("name", ["own.py", "parts/own.py", "own", "parts.own"])
def test_what_a_plugin_registers_is_found(tmp_path: Path, name: str):
    file = tmp_path / (name if name.endswith(".py") else f"{name.replace('.', '/')}.py")
    write(file, OVAL.format(name="oval"))
    load_plugins([name], tmp_path)
    assert shapes["oval"].__name__ == "Oval"
    load_plugins([name], tmp_path)  # a second time changes nothing
    assert shapes.names() == ["oval"]


def test_a_plugin_may_lie_elsewhere(tmp_path: Path):
    file = write(tmp_path / "far" / "own.py", OVAL.format(name="oval"))
    load_plugins([str(file)], tmp_path / "project")
    assert shapes.names() == ["oval"]


def test_files_of_one_name_in_two_folders_are_two_plugins(tmp_path: Path):
    for name in ("a", "b"):
        write(tmp_path / name / "own.py", OVAL.format(name=name))
    load_plugins(["a/own.py", "b/own.py"], tmp_path)
    assert shapes.names() == ["a", "b"]


def test_all_that_cannot_be_imported_comes_together_with_the_remedy(tmp_path: Path):
    write(tmp_path / "own.py", "1 / 0")
    write(tmp_path / "inner.py", "import no_such_library")
    with pytest.raises(ConfigError) as caught:
        load_plugins(["owm.py", "own.py", "no.such", "inner.py"], tmp_path)
    assert [str(fault) for fault in caught.value.faults] == [
        "plugins.0 = 'owm.py': must be a file, its path relative to params.yaml; did you mean 'own.py'?",
        "plugins.1 = 'own.py': must be imported without an error; it raises ZeroDivisionError: division by zero",
        "plugins.2 = 'no.such': must be a module that can be imported here, or the path of a .py file",
        "plugins.3 = 'inner.py': must be imported without an error; it raises ModuleNotFoundError: No module named "
        "'no_such_library'",
    ]


def test_a_name_that_is_taken_is_a_fault_of_the_plugin(tmp_path: Path):
    write(
        tmp_path / "own.py",
        "from varml.flow.estimator import estimators\n@estimators.register('dis')\nclass Dis:\n    pass\n",
    )
    with pytest.raises(ConfigError, match=r"plugins\.0 = 'own\.py': .*flow estimator 'dis' is registered already"):
        load_plugins(["own.py"], tmp_path)


def test_the_digest_is_that_of_the_file(tmp_path: Path):
    for number, content in enumerate(["NAME = 'a'", "NAME = 'b'", "NAME = 'a'"]):
        write(tmp_path / f"p{number}.py", content)
    names = ["p0.py", "p1.py", "p2"]
    load_plugins(names, tmp_path)
    digests = plugin_digests(names)
    assert list(digests) == names
    assert digests["p0.py"] == digests["p2"] != digests["p1.py"]


def test_the_code_of_a_part_is_its_files_outside_the_package(tmp_path: Path):
    write(tmp_path / "base_of_own.py", "class Base:\n    pass\n")
    write(tmp_path / "own.py", "from base_of_own import Base\nclass Own(Base, dict):\n    pass\n")
    load_plugins(["own"], tmp_path)
    own = sys.modules["own"].Own
    assert len(code_identity(own)) == 2
    before = code_identity(own)
    write(tmp_path / "base_of_own.py", "class Base:\n    x = 1\n")
    assert code_identity(own)[0] == before[0]
    assert code_identity(own)[1] != before[1]
    assert code_identity(Registry) == []


def test_of_a_package_every_file_counts(tmp_path: Path):
    write(tmp_path / "ovals" / "__init__.py", "from ovals.inner import Oval")
    inner = write(tmp_path / "ovals" / "inner.py", OVAL.format(name="oval"))
    load_plugins(["ovals"], tmp_path)
    before = plugin_digests(["ovals"]), code_identity(shapes["oval"])
    inner.write_text(OVAL.format(name="oval") + "\n")
    after = plugin_digests(["ovals"]), code_identity(shapes["oval"])
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_what_a_plugin_itself_cannot_import_is_named(tmp_path: Path):
    write(tmp_path / "torchaug_own.py", "import torchaug")
    (fault,) = plugin_faults(["torchaug_own"], tmp_path)
    assert "raises ModuleNotFoundError: No module named 'torchaug'" in fault.rule


@pytest.mark.parametrize("how", ["parallel", "isolated"])
def test_worker_processes_have_the_plugins_of_their_parent(tmp_path: Path, how: str):
    write(tmp_path / "own.py", "NAME = 'mine'")
    load_plugins(["own.py"], tmp_path)
    if how == "parallel":
        results = list(map_parallel(where_and_what, ["a", "b", "c", "d"], num_workers=2))
    else:
        outcomes = map_isolated(where_and_what, ["a", "b"], num_workers=1, timeout_sec=60, memory_mb=1024)
        results = [outcome.result or (0, [outcome.reason or ""]) for outcome in outcomes]
    for process, names in results:
        assert process != os.getpid()
        assert names == ["mine"]
