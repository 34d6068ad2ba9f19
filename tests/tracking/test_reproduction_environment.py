"""The environment in which a version is made again: what its run lists, and nothing that the list could smuggle in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from varml.errors import TrackingError
from varml.tracking.provenance.kept import ENVIRONMENT, FOLDER
from varml.tracking.provenance.reproduction import _make_environment
from varml.tracking.runs import TrackedRun, create_run

pytestmark = pytest.mark.usefixtures("project")
PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "again"
version = "0.1"
[tool.setuptools]
py-modules = ["again"]
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The source of a project that was checked out."""
    root = tmp_path / "source"
    root.mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "again.py").write_text("VALUE = 7\n")
    return root


def run_with(name: str, tmp_path: Path, listed: str | None) -> TrackedRun:
    run = create_run(name, "train", {})
    if listed is not None:
        (tmp_path / ENVIRONMENT).write_text(listed)
        run.log_artifact(tmp_path / ENVIRONMENT, FOLDER)
    return run


def test_what_the_run_lists_and_the_source_are_installed(name: str, tmp_path: Path, source: Path) -> None:
    run = run_with(name, tmp_path, "# Python 3, Linux\nsix==1.17.0\n")
    interpreter = _make_environment(run, source)
    code = "import six, again; print(six.__version__, again.VALUE)"
    done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "1.17.0 7\n"


@pytest.mark.parametrize("line", ["--index-url http://elsewhere", "six @ git+https://elsewhere", "-r other.txt", "six"])
def test_other_lines_are_refused(name: str, tmp_path: Path, source: Path, line: str) -> None:
    run = run_with(name, tmp_path, f"# Python 3, Linux\nsix==1.17.0\n{line}\n")
    with pytest.raises(TrackingError, match="must list NAME==VERSION, a line each"):
        _make_environment(run, source)


def test_a_run_that_lists_nothing_needs_an_interpreter(name: str, tmp_path: Path, source: Path) -> None:
    with pytest.raises(TrackingError, match="does not say what was installed; name an interpreter: --python"):
        _make_environment(run_with(name, tmp_path, None), source)
