"""The MLflow flavor ``varml``: a model folder that MLflow can log, load and serve, without pickle.

One input column, ``video`` (the bytes of a video file; base64 in JSON), and two output columns, ``label`` and
``probabilities`` (class to probability, most probable first).
"""

from __future__ import annotations

import base64
import shutil
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import pandas as pd
from packaging.requirements import Requirement

from varml.errors import ModelError
from varml.ground.versions import public_version
from varml.inference.predictor import Predictor
from varml.models.model_files import verify
from varml.models.onnx_model import is_export
from varml.tracking.input_example import input_example

FLAVOR = "varml"
DATA = "model"
LOADER = "varml.tracking.flavor"
# What prediction imports; the rest of varml's requirements is for training and tracking.
_NEEDED = (
    "av", "decord", "decord2", "mlflow", "numpy", "opencv-python-headless", "pandas", "psutil", "pydantic",
    "ruamel.yaml", "safetensors", "scikit-learn", "simplejpeg", "timm", "torch", "torchvision",
)  # fmt: skip


def save_model(folder: Path, path: str, mlflow_model: Any = None, **_: Any) -> None:
    """Save the model folder ``folder`` as an MLflow model at ``path``."""
    from mlflow import pyfunc
    from mlflow.models import Model
    from mlflow.models.utils import _save_example

    verify(folder)
    target = Path(path)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, target / DATA)
    mlflow_model = mlflow_model or Model()
    mlflow_model.signature = signature()
    _save_example(mlflow_model, input_example(), str(target))
    requirements = pip_requirements()
    (target / "requirements.txt").write_text("\n".join(requirements) + "\n")
    pyfunc.add_to_model(mlflow_model, loader_module=LOADER, data=DATA, python_env=_write_python_env(target))
    mlflow_model.add_flavor(FLAVOR, varml_version=version("varml"), data=DATA)
    mlflow_model.save(str(target / "MLmodel"))


def log_model(folder: Path, run_id: str, name: str = "model") -> Any:
    """Log the model folder ``folder`` to a run, in the run's experiment, and return MLflow's ``ModelInfo``."""
    import sys

    from mlflow import MlflowClient
    from mlflow.models import Model
    from mlflow.tracking.context.registry import resolve_tags

    client = MlflowClient()
    run = client.get_run(run_id)
    # Left to itself, MLflow takes the experiment Default, whose artifacts lie in whatever folder the process runs.
    made = client.create_logged_model(
        run.info.experiment_id, name, source_run_id=run_id, tags=resolve_tags(), params=run.data.params
    )
    return Model.log(
        artifact_path=None, flavor=sys.modules[LOADER], run_id=run_id, model_id=made.model_id, folder=folder
    )


def load_model(uri: str, digest: str | None = None) -> Predictor:
    """Return the predictor of a model, or of an export, by any MLflow URI.

    varml's own loader checks and reads it: of what MLflow would import or unpickle nothing is looked at. Raises
    ModelError where the model is not whole, or is not the one with this ``digest``.
    """
    from mlflow.artifacts import download_artifacts

    folder = Path(download_artifacts(artifact_uri=uri))
    predictor = Predictor.load(folder if is_export(folder) else folder / DATA)
    if digest is not None and predictor.digest != digest:
        raise ModelError(f"{uri} holds another model than the one that was registered; do not use it, register it anew")
    return predictor


def signature() -> Any:
    """Return the signature that every varml model has."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Map

    inputs = Schema([ColSpec(DataType.binary, "video")])
    outputs = Schema([ColSpec(DataType.string, "label"), ColSpec(Map(DataType.double), "probabilities")])
    return ModelSignature(inputs, outputs)


def pip_requirements() -> list[str]:
    """Return what a model needs to predict, at the versions that are installed."""
    required = [Requirement(text) for text in requires("varml") or []]
    named = {r.name for r in required if r.marker is None or r.marker.evaluate({"extra": ""})}
    return [
        f"{name}=={public_version(version(name))}" for name in ("varml", *_NEEDED) if name == "varml" or name in named
    ]


def _load_pyfunc(path: str) -> _PyfuncModel:
    return _PyfuncModel(Predictor.load(Path(path)))


class _PyfuncModel:
    """What ``mlflow.pyfunc.load_model`` wraps."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return ``label`` and ``probabilities`` of each row's ``video``."""
        answers = self._predictor.predict_bytes([_as_bytes(value) for value in model_input["video"]])
        rows = {"label": [a.label for a in answers], "probabilities": [a.probabilities for a in answers]}
        return pd.DataFrame(rows, index=model_input.index)


def _as_bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(value)


def _write_python_env(target: Path) -> str:
    from mlflow.utils.environment import _PythonEnv

    _PythonEnv.current().to_yaml(str(target / "python_env.yaml"))
    return "python_env.yaml"
