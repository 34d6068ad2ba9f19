"""The source of a run, as a commit and what differs from it: together they give the very files again."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest
import torch

from varml.tracking.provenance.kept import environment, source_diff


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "inner").mkdir(parents=True)
    for name in ("kept.py", "changed.py", "gone.py", "dvc.lock", "inner/changed.py"):
        (root / name).write_text(f"first of {name}\n")
    (root / ".gitignore").write_text("/data/\n")
    (root / "picture.bin").write_bytes(bytes(range(256)))
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "start")
    return root


def change(root: Path) -> None:
    (root / "changed.py").write_text("second\n")
    (root / "inner/changed.py").write_text("without a newline at its end")
    (root / "gone.py").unlink()
    (root / "new.py").write_text("a plugin that nobody has committed\n")
    (root / "picture.bin").write_bytes(bytes(range(255, -1, -1)))
    (root / "dvc.lock").write_text("a result")
    (root / "data").mkdir()
    (root / "data/ignored.py").write_text("made")
    (root / "video.mp4").write_bytes(b"data is not source")
    (root / "secrets.yaml").write_text("token: 1")


def source_of(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_the_commit_and_the_difference_give_the_files_again(repository: Path, tmp_path: Path) -> None:
    change(repository)
    diff = source_diff(repository)
    again = tmp_path / "again"
    git(tmp_path, "clone", "--quiet", str(repository), str(again))
    (tmp_path / "source.diff").write_bytes(diff)
    git(again, "apply", str(tmp_path / "source.diff"))
    # Whatever the user's own settings.
    for setting in ("diff.noprefix=true", "color.ui=always", "diff.external=false"):
        git(repository, "config", *setting.split("="))
    assert source_diff(repository) == diff
    expected = source_of(repository)
    for name in ("data/ignored.py", "video.mp4", "secrets.yaml"):
        del expected[name]
    assert source_of(again) == {**expected, "dvc.lock": b"first of dvc.lock\n"}


def test_the_difference_is_that_of_the_whole_repository_from_any_folder(repository: Path) -> None:
    change(repository)
    assert source_diff(repository / "inner") == source_diff(repository)


def test_the_index_and_the_files_stay_as_they_are(repository: Path) -> None:
    change(repository)
    git(repository, "add", "changed.py")
    before = git(repository, "status", "--porcelain"), source_of(repository)
    source_diff(repository)
    assert (git(repository, "status", "--porcelain"), source_of(repository)) == before


def test_what_is_committed_differs_in_nothing(repository: Path) -> None:
    assert source_diff(repository) == b""
    (repository / "dvc.lock").write_text("a result")
    assert source_diff(repository) == b""


def test_large_files_that_git_does_not_know_are_left_out(repository: Path) -> None:
    (repository / "large.py").write_text("#" * 1_000_001)
    assert source_diff(repository) == b""


def test_without_git_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert source_diff(tmp_path) == b""
    monkeypatch.setenv("PATH", "")
    assert source_diff(Path(__file__).parent) == b""


def test_the_environment_is_what_pip_takes() -> None:
    first, *lines = environment().splitlines()
    assert first == f"# Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    assert f"torch=={torch.__version__.split('+')[0]}" in lines
    assert not any(line.startswith("varml==") for line in lines)
    names = [line.split("==")[0] for line in lines]
    assert names == sorted(set(names), key=str.lower)
