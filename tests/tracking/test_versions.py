"""Versions of a model in a real registry: which is registered, and where @challenger and @champion point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from project import free_port
from tiny_model import save_tiny_model

from varml.errors import ModelError, TrackingError
from varml.models.model_files import WEIGHTS, model_digest
from varml.tracking.flavor import load_model
from varml.tracking.registry.versions import (
    CHALLENGER,
    CHAMPION,
    Registered,
    champion_of,
    find_version,
    register_model,
    version_of,
)
from varml.tracking.runs import TrackedRun, create_run
from varml.tracking.store import open_client

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three models, of which no two are the same."""
    folder = tmp_path_factory.mktemp("models")
    return [save_tiny_model(folder / str(seed), seed) for seed in range(3)]


@pytest.fixture
def runs(name: str) -> list[TrackedRun]:
    """A run that trained each of the models."""
    return [create_run(name, f"train {number}", {}) for number in range(3)]


def versions(name: str) -> list[Any]:
    return sorted(open_client().search_model_versions(f"name='{name}'"), key=lambda version: int(version.version))


def aliases(name: str) -> dict[str, str | None]:
    return {alias: version_of(open_client(), name, alias) for alias in (CHALLENGER, CHAMPION)}


def logged_models(run: TrackedRun) -> list[Any]:
    return list(run.client.search_logged_models([run.client.get_run(run.run_id).info.experiment_id]))


# Registering.


def test_the_first_version_is_challenger_and_champion(name: str, folders: list[Path], runs: list[TrackedRun]) -> None:
    assert aliases(name) == {CHALLENGER: None, CHAMPION: None}
    assert register_model(folders[0], name, runs[0], {"test_top1": "0.5000"}) == Registered("1", "1")
    (version,) = versions(name)
    assert version.run_id == runs[0].run_id
    assert version.tags == {"varml.model_digest": model_digest(folders[0]), "test_top1": "0.5000"}
    assert aliases(name) == {CHALLENGER: "1", CHAMPION: "1"}


def test_a_version_is_the_model_as_it_was(
    name: str, folders: list[Path], runs: list[TrackedRun], tmp_path: Path
) -> None:
    from mlflow.artifacts import download_artifacts

    register_model(folders[0], name, runs[0], {})
    register_model(folders[1], name, runs[1], {})
    for number, alias in ((0, CHAMPION), (1, CHALLENGER)):
        uri = f"models:/{name}@{alias}"
        got = Path(download_artifacts(artifact_uri=uri, dst_path=str(tmp_path / alias)))
        assert model_digest(got / "model") == model_digest(folders[number])
        assert load_model(uri).classes == ["jump", "run", "wave"]


def test_registering_twice_adds_nothing(name: str, folders: list[Path], runs: list[TrackedRun]) -> None:
    first = register_model(folders[0], name, runs[0], {"test_top1": "0.5000"})
    before = versions(name)[0].to_proto()
    assert register_model(folders[0], name, runs[0], {"test_top1": "0.5000"}) == first
    (version,) = versions(name)
    assert version.source == before.source
    assert len(logged_models(runs[0])) == 1


def test_a_model_is_kept_with_its_run_under_the_project(
    project: Path,
    name: str,
    folders: list[Path],
    runs: list[TrackedRun],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # As `dvc exp run --temp` does: the stage runs in a folder that is thrown away.
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.chdir(tmp_path)
    register_model(folders[0], name, runs[0], {})
    (model,) = logged_models(runs[0])
    assert model.source_run_id == runs[0].run_id
    assert model.status.name == "READY"
    assert model.artifact_location.removeprefix("file://").startswith(f"{project}/mlartifacts/{name}/")
    assert list(tmp_path.iterdir()) == []


def test_the_challenger_moves_back_with_an_older_model_and_the_champion_stays(
    name: str, folders: list[Path], runs: list[TrackedRun]
) -> None:
    register_model(folders[0], name, runs[0], {})
    assert register_model(folders[1], name, runs[1], {}) == Registered("2", "1")
    assert aliases(name) == {CHALLENGER: "2", CHAMPION: "1"}
    open_client().set_registered_model_alias(name, CHAMPION, "2")
    assert register_model(folders[0], name, runs[0], {}) == Registered("1", "2")
    assert aliases(name) == {CHALLENGER: "1", CHAMPION: "2"}
    assert register_model(folders[2], name, runs[2], {}) == Registered("3", "2")
    assert aliases(name) == {CHALLENGER: "3", CHAMPION: "2"}
    assert [version.tags["varml.model_digest"] for version in versions(name)] == [*map(model_digest, folders)]


def test_the_same_model_of_another_run_is_another_version(
    name: str, folders: list[Path], runs: list[TrackedRun]
) -> None:
    register_model(folders[0], name, runs[0], {})
    assert register_model(folders[0], name, runs[1], {}) == Registered("2", "1")
    assert [version.run_id for version in versions(name)] == [runs[0].run_id, runs[1].run_id]


def test_a_model_that_was_altered_is_not_registered(name: str, runs: list[TrackedRun], tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model")
    (folder / WEIGHTS).write_bytes(b"other weights")
    with pytest.raises(ModelError, match=rf"{WEIGHTS} is missing or was altered"):
        register_model(folder, name, runs[0], {})
    assert versions(name) == []


# Finding.


@pytest.fixture
def eleven(name: str) -> str:
    """A registered model with eleven versions, of which the last is the challenger; returns its name."""
    client = open_client()
    client.create_registered_model(name)
    for _ in range(11):
        client.create_model_version(name, source="file:///nowhere")
    client.set_registered_model_alias(name, CHALLENGER, "11")
    return name


def test_the_challenger_is_found_where_no_version_is_named(eleven: str) -> None:
    assert find_version(open_client(), eleven).number == "11"
    assert find_version(open_client(), eleven, "3").uri == f"models:/{eleven}/3"


@pytest.mark.parametrize("version", ["12", "0", "-1", "newest", "1.0"])
def test_a_version_that_does_not_exist_is_refused_with_those_that_do(eleven: str, version: str) -> None:
    listed = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"
    with pytest.raises(TrackingError, match=rf"'{eleven}' has no version '{version}'; there are {listed}$"):
        find_version(open_client(), eleven, version)


def test_there_is_nothing_to_find_before_the_first_version(project: Path, name: str) -> None:
    with pytest.raises(TrackingError, match=rf"'{name}' has no version in sqlite:///{project}/mlflow\.db; run `dvc re"):
        find_version(open_client(), name)
    with pytest.raises(TrackingError, match=rf"'{name}' has no version '1'; there are none"):
        find_version(open_client(), name, "1")
    assert champion_of(open_client(), name) is None
    assert versions(name) == []


def test_a_version_has_its_run_unless_it_is_gone(name: str, folders: list[Path], runs: list[TrackedRun]) -> None:
    register_model(folders[0], name, runs[0], {})
    champion = champion_of(open_client(), name)
    assert champion is not None
    assert champion.run is not None
    assert (champion.run.run_id, champion.digest) == (runs[0].run_id, model_digest(folders[0]))
    client = open_client()
    client.create_model_version(name, source="file:///nowhere", run_id="0" * 32)
    assert find_version(client, name, "2").run is None


def test_a_registry_that_is_down_does_not_pass_for_an_empty_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    place = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@{place}")
    with pytest.raises(TrackingError, match=f"http://{place} does not say what @champion of '{name}' is") as caught:
        version_of(open_client(), name, CHAMPION)
    assert "secret" not in str(caught.value)
