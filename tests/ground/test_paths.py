"""Where the project's root is."""

from __future__ import annotations

from pathlib import Path

import pytest

from varml.ground.paths import project_root, state_folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    (root / "deep" / "deeper").mkdir(parents=True)
    return root


def test_the_root_is_the_nearest_folder_with_dvc(project: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in (project, project / "deep", project / "deep" / "deeper"):
        monkeypatch.chdir(folder)
        assert project_root() == project


def test_an_inner_project_is_nearer_than_an_outer_one(project: Path, monkeypatch: pytest.MonkeyPatch):
    (project / "deep" / ".dvc").mkdir()
    monkeypatch.chdir(project / "deep" / "deeper")
    assert project_root() == project / "deep"


def test_a_file_named_dvc_makes_no_root(project: Path, monkeypatch: pytest.MonkeyPatch):
    (project / "deep" / ".dvc").write_text("")
    monkeypatch.chdir(project / "deep")
    assert project_root() == project


def test_dvc_root_counts_for_more_than_the_current_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(project)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "elsewhere"))
    assert project_root() == tmp_path / "elsewhere"


def test_without_a_project_the_root_is_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert project_root() == tmp_path


def test_the_state_folder_is_made_under_the_root(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project / "deep")
    assert state_folder() == project / ".varml"
    assert (project / ".varml").is_dir()
    assert state_folder() == project / ".varml"
