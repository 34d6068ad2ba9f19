"""The MLflow store of a project: ``MLFLOW_TRACKING_URI``, else SQLite under the project root."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import build_opener

from varml.errors import TrackingError, VarmlError, first_line
from varml.ground.paths import project_root

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
PING_TIMEOUT_SEC = 10.0


def tracking_uri() -> str:
    """Return where runs and models are kept."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / DATABASE}"


def open_client() -> Any:
    """Return an ``MlflowClient`` on the project's store, and make it MLflow's current one.

    The database is created here, before any worker could race for it.
    """
    mlflow = import_mlflow()
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(os.environ.get("MLFLOW_REGISTRY_URI") or uri)
    return mlflow.MlflowClient()


def import_mlflow() -> Any:
    """Import MLflow without telemetry, its log of every database migration and its bar for every download."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("alembic", "mlflow.store.db.utils", "mlflow.store.model_registry"):
        logging.getLogger(name).setLevel(logging.WARNING)
    import mlflow

    return mlflow


def experiment_id(client: Any, name: str) -> str:
    """Return the id of the experiment ``name``, created if need be.

    With a database on this machine its artifacts get an absolute place under the project root: MLflow's default is
    the folder where the process happens to run. A server decides for itself.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    local = tracking_uri().startswith("sqlite:")
    place = (project_root() / ARTIFACTS / name).as_uri() if local else None
    return str(client.create_experiment(name, artifact_location=place))


@contextmanager
def tracking_errors() -> Iterator[None]:
    """Turn what MLflow and its database raise into TrackingError; also a decorator."""
    try:
        yield
    except VarmlError:
        raise
    except Exception as error:
        if not _is_of_mlflow(error):
            raise
        raise TrackingError(
            f"the MLflow store {place_of_store()} cannot do what was asked ({reason_of(error)}); see that it runs, "
            "or correct MLFLOW_TRACKING_URI"
        ) from error


def _is_of_mlflow(error: Exception) -> bool:
    # Imported here: most commands that fail have not loaded MLflow.
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error, MlflowException | SQLAlchemyError)


def ping_store() -> None:
    """Raise TrackingError where a tracking server is named and does not answer; hours of work may come before it."""
    place = place_of_store()
    if not place.startswith(("http://", "https://")):
        return
    try:
        # Without the password, which urllib would take for a part of the host's name.
        # An opener of its own: urlopen keeps the first one, with the proxies that the environment named at that time.
        build_opener().open(f"{place.rstrip('/')}/health", timeout=PING_TIMEOUT_SEC).close()
    except HTTPError:
        return  # something answers; what it thinks of /health is its own affair
    except (OSError, HTTPException) as error:
        if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
            return  # MLflow has settings of its own for which certificates it trusts
        raise TrackingError(
            f"the MLflow server {place} does not answer ({reason_of(error)}); start it or correct MLFLOW_TRACKING_URI"
        ) from error


def place_of_store() -> str:
    """Return where runs are kept, without a password."""
    return without_password(tracking_uri())


def reason_of(error: BaseException) -> str:
    """Return the first line of what ``error`` says, without a password: MLflow puts whole URIs into its messages."""
    text = first_line(error)
    for uri in (tracking_uri(), os.environ.get("MLFLOW_REGISTRY_URI", "")):
        text = text.replace(uri.rstrip("/"), without_password(uri.rstrip("/")))
    return text


def ui_command() -> str:
    """Return the command that shows the runs."""
    uri = tracking_uri()
    if uri.startswith("http"):
        return f"open {without_password(uri)}"
    local = uri == f"sqlite:///{project_root() / DATABASE}"
    return f"mlflow ui --backend-store-uri {f'sqlite:///{DATABASE}' if local else without_password(uri)}"


def without_password(uri: str) -> str:
    """Return ``uri`` without what stands between its scheme and its host; a path may have an @ of its own."""
    if uri.startswith(("sqlite:", "file:")):
        return uri
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rsplit('@', 1)[-1]}"
