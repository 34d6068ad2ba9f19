"""Finds the model that `varml predict` uses, and words its answer."""

from __future__ import annotations

import json
from pathlib import Path

from varml.config import load_params
from varml.config.load import read_tree
from varml.data.names import to_text
from varml.errors import ModelError
from varml.ground.paths import MODEL, PARAMS
from varml.ground.plugins import plugin_faults
from varml.inference.predictor import Prediction, Predictor

NUM_SHOWN = 5


def load_predictor(model: str | None) -> Predictor:
    """Return the predictor of an MLflow URI or a model folder; of neither: the champion, then ``model/``.

    Raises ModelError where there is none.
    """
    _import_plugins()
    if model is not None:
        return _from_uri(model) if ":/" in model else Predictor.load(Path(model))
    champion = _champion_uri()
    if champion is not None:
        return _from_uri(champion)
    if MODEL.is_dir():
        return Predictor.load(MODEL)
    raise ModelError("there is no champion and no folder model/ here; run `dvc repro`, or name one with --model")


def describe(video: Path, prediction: Prediction, as_json: bool) -> str:
    """Return the answer for one video as text, or as one line of JSON."""
    shown = list(prediction.probabilities.items())[:NUM_SHOWN]
    if as_json:
        top5 = [{"label": label, "probability": p} for label, p in shown]
        answer = {
            "video": str(video),
            "label": prediction.label,
            "probability": prediction.probability,
            "top5": top5,
        }
        return json.dumps(answer)
    # Not every terminal takes bytes that are no UTF-8.
    return f"{to_text(str(video))}: {prediction.label}  ({', '.join(f'{label} {p:.3f}' for label, p in shown)})"


def _import_plugins() -> None:
    # A model that needs a plugin which cannot be imported says so itself; another one does without.
    if PARAMS.is_file():
        plugin_faults(read_tree(PARAMS).get("plugins"), PARAMS.parent)


def _champion_uri() -> str | None:
    if not PARAMS.is_file():
        return None
    from varml.tracking.model_registry import CHAMPION, version_of
    from varml.tracking.store import open_client

    name = load_params().register_.model_name
    return f"models:/{name}@{CHAMPION}" if version_of(open_client(), name, CHAMPION) else None


def _from_uri(uri: str) -> Predictor:
    from mlflow.exceptions import MlflowException

    from varml.tracking.model_registry import load_registered
    from varml.tracking.store import reason_of

    try:
        return load_registered(uri)
    except MlflowException as error:
        raise ModelError(
            f"{uri} cannot be loaded ({reason_of(error)}); name a version or an alias that exists"
        ) from error
