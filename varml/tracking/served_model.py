"""Finds the model that is to answer: one that is named, else the champion, else the folder ``model/``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from varml.config import load_params
from varml.config.load import read_tree
from varml.errors import ModelError
from varml.ground.paths import MODEL, PARAMS
from varml.ground.plugins import plugin_faults
from varml.inference.predictor import Predictor


@dataclass(frozen=True)
class ServedModel:
    """A loaded model, and the registered model and version that it is, where it comes from the registry."""

    predictor: Predictor
    name: str | None = None
    version: str | None = None


def find_model(model: str | None) -> ServedModel:
    """Return the model of an MLflow URI or a model folder; of neither: the champion, then ``model/``.

    Raises ModelError where there is none.
    """
    _import_plugins()
    if model is not None:
        return _from_uri(model) if ":/" in model else ServedModel(Predictor.load(Path(model)))
    champion = _champion_uri()
    if champion is not None:
        return _from_uri(champion)
    if MODEL.is_dir():
        return ServedModel(Predictor.load(MODEL))
    raise ModelError("there is no champion and no folder model/ here; run `dvc repro`, or name one with --model")


def _import_plugins() -> None:
    # A model that needs a plugin which cannot be imported says so itself; another one does without.
    if PARAMS.is_file():
        plugin_faults(read_tree(PARAMS).get("plugins"), PARAMS.parent)


def _champion_uri() -> str | None:
    if not PARAMS.is_file():
        return None
    from varml.tracking.registry.versions import CHAMPION, version_of
    from varml.tracking.store import open_client

    name = load_params().register_.model_name
    return f"models:/{name}@{CHAMPION}" if version_of(open_client(), name, CHAMPION) else None


def _from_uri(uri: str) -> ServedModel:
    from mlflow.exceptions import MlflowException

    from varml.tracking.flavor import load_model
    from varml.tracking.runs import MODEL_DIGEST
    from varml.tracking.store import open_client, reason_of

    client = open_client()
    try:
        name, version = _registered(client, uri)
        if name is None:
            return ServedModel(load_model(uri))
        # Of a version only the model that was registered as it will do. An alias may move meanwhile; it cannot.
        digest = client.get_model_version(name, version).tags.get(MODEL_DIGEST)
        return ServedModel(load_model(f"models:/{name}/{version}", digest), name, version)
    except MlflowException as error:
        raise ModelError(
            f"{uri} cannot be loaded ({reason_of(error)}); name a version or an alias that exists"
        ) from error


def _registered(client: Any, uri: str) -> tuple[str | None, str | None]:
    """Return the name and the version of a URI of the registry; a logged model and a run have neither."""
    from mlflow.store.artifact.utils.models import get_model_name_and_version

    if not uri.startswith("models:/"):
        return None, None
    found = get_model_name_and_version(client, uri)
    return (str(found[0]), str(found[1])) if len(found) == 2 else (None, None)
