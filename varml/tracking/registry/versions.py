"""Versions of the registered model: @challenger is the newest, @champion is what serves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from varml.errors import TrackingError
from varml.models.model_files import model_digest
from varml.tracking.flavor import log_model
from varml.tracking.runs import MODEL_DIGEST, TrackedRun
from varml.tracking.store import open_client, place_of_store, reason_of

CHALLENGER = "challenger"
CHAMPION = "champion"


@dataclass(frozen=True)
class Registered:
    """The version of a model that was registered, and the one that is champion now."""

    version: str
    champion: str


@dataclass(frozen=True)
class Version:
    """A version of the registered model ``name``, with the run that trained it, if it names one that is still there."""

    name: str
    number: str
    tags: dict[str, str]
    run: TrackedRun | None

    @property
    def digest(self) -> str:
        """The digest of its model, or nothing where somebody else registered it."""
        return self.tags.get(MODEL_DIGEST, "")

    @property
    def uri(self) -> str:
        """Where MLflow finds it."""
        return f"models:/{self.name}/{self.number}"


def register_model(folder: Path, name: str, run: TrackedRun, tags: dict[str, str]) -> Registered:
    """Register the model in ``folder`` under ``name``, linked to ``run``, and point @challenger at it.

    A version of the same model from the same run is used again. @champion moves only where there is none yet.
    """
    client = open_client()
    digest = model_digest(folder)
    version = _existing(client, name, digest, run.run_id) or _create(client, folder, name, run)
    for key, value in {MODEL_DIGEST: digest, **tags}.items():
        client.set_model_version_tag(name, version, key, value)
    client.set_registered_model_alias(name, CHALLENGER, version)
    champion = version_of(client, name, CHAMPION)
    if champion is None:
        client.set_registered_model_alias(name, CHAMPION, version)
    return Registered(version, champion or version)


def champion_of(client: Any, name: str) -> Version | None:
    """Return the version that serves, or None."""
    number = version_of(client, name, CHAMPION)
    return None if number is None else find_version(client, name, number)


def find_version(client: Any, name: str, number: str | None = None) -> Version:
    """Return the version ``number``, or the present challenger; raises TrackingError where there is none."""
    from mlflow.exceptions import MlflowException

    chosen = version_of(client, name, CHALLENGER) if number is None else number
    if chosen is None:
        raise TrackingError(f"model {name!r} has no version in {place_of_store()}; run `dvc repro` first")
    try:
        found = client.get_model_version(name, chosen)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        versions = sorted((str(v.version) for v in client.search_model_versions(f"name='{name}'")), key=int)
        raise TrackingError(
            f"model {name!r} has no version {chosen!r}; there are {', '.join(versions) or 'none'}"
        ) from error
    run = TrackedRun(client, found.run_id) if _has_run(client, found.run_id) else None
    return Version(name, str(found.version), dict(found.tags), run)


def numbers_of(client: Any, name: str, digest: str) -> list[str]:
    """Return the versions of ``name`` that are the model ``digest``, the first one first."""
    found = client.search_model_versions(f"name='{name}'")
    return sorted((str(one.version) for one in found if one.tags.get(MODEL_DIGEST) == digest), key=int)


def version_of(client: Any, name: str, alias: str) -> str | None:
    """Return the version that ``alias`` points at, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        # Anything else, such as a server that does not answer, must not pass for "there is no champion".
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise TrackingError(
                f"{place_of_store()} does not say what @{alias} of {name!r} is: {reason_of(error)}"
            ) from error
        return None


def _existing(client: Any, name: str, digest: str, run_id: str) -> str | None:
    for version in client.search_model_versions(f"name='{name}'"):
        if version.run_id == run_id and version.tags.get(MODEL_DIGEST) == digest:
            return str(version.version)
    return None


def _create(client: Any, folder: Path, name: str, run: TrackedRun) -> str:
    from mlflow.exceptions import MlflowException

    info = log_model(folder, run.run_id)
    try:
        client.create_registered_model(name, description="Action recogniser found by varml.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    created = client.create_model_version(name, source=info.model_uri, run_id=run.run_id, model_id=info.model_id)
    return str(created.version)


def _has_run(client: Any, run_id: str | None) -> bool:
    from mlflow.exceptions import MlflowException

    if not run_id:
        return False
    try:
        client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False  # it was deleted for good
    return True
