"""What every run made in a project is tagged with, by whomever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow.tracking.context.registry import resolve_tags

from varml.ground.paths import DATA_CARD
from varml.tracking.lineage import CROSSING_GROUPS, lineage_tags


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a varml project, with a data card that names crossing groups."""
    for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".dvc").mkdir()
    for name in ("params.yaml", "dvc.yaml", "dvc.lock"):
        (tmp_path / name).write_text("{}")
    write_card(tmp_path, {"num_crossing_groups": 3})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_card(project: Path, card: object) -> None:
    (project / DATA_CARD).parent.mkdir(exist_ok=True)
    (project / DATA_CARD).write_text(json.dumps(card))


def test_a_project_whose_groups_cross_says_so(project: Path):
    # As MLflow asks for the tags of any run, also of one made by hand.
    assert resolve_tags()[CROSSING_GROUPS] == "allowed"


def test_a_folder_of_the_project_is_as_good(project: Path, monkeypatch: pytest.MonkeyPatch):
    (project / "notebooks").mkdir()
    monkeypatch.chdir(project / "notebooks")
    assert lineage_tags()[CROSSING_GROUPS] == "allowed"


@pytest.mark.parametrize("card", [{"num_crossing_groups": 0}, {}, [], "text"])
def test_a_card_that_names_none_gives_no_tag(project: Path, card: object):
    write_card(project, card)
    assert CROSSING_GROUPS not in lineage_tags()


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff"])
def test_a_card_that_cannot_be_read_gives_no_tag(project: Path, content: bytes | None):
    (project / DATA_CARD).unlink()
    if content is not None:
        (project / DATA_CARD).write_bytes(content)
    assert CROSSING_GROUPS not in lineage_tags()


def test_in_an_experiment_elsewhere_its_own_card_counts(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    elsewhere = tmp_path_factory.mktemp("exp")
    (elsewhere / "dvc.lock").write_text("{}")
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.chdir(elsewhere)
    assert CROSSING_GROUPS not in lineage_tags()
    write_card(elsewhere, {"num_crossing_groups": 1})
    assert lineage_tags()[CROSSING_GROUPS] == "allowed"
