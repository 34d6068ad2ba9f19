"""What `varml export` does: a model becomes a folder with an ONNX network, and its version says so."""

from __future__ import annotations

from pathlib import Path

from varml.config import load_params
from varml.errors import ModelError
from varml.ground.paths import PARAMS
from varml.models.model_files import LoadedModel
from varml.models.onnx_model import export_model
from varml.tracking.registry.exports import log_export
from varml.tracking.served_model import find_model


def export_to(target: Path, model: str | None) -> str:
    """Export the model that ``varml predict --model MODEL`` uses, and return what to say of it."""
    predictor = find_model(model).predictor
    if not isinstance(predictor.model, LoadedModel) or predictor.digest is None:
        raise ModelError(f"{model} is an export already; name the model that it came from")
    difference = export_model(predictor.model, predictor.digest, target)
    versions = _versions_of(target, predictor.digest, difference)
    said = f"; kept with version {', '.join(versions)}" if versions else ""
    return f"{target}: probabilities are those of the model to {difference:.1g} on random images{said}"


def _versions_of(target: Path, digest: str, difference: float) -> list[str]:
    # Outside a project there is no registry.
    return log_export(target, load_params().register_.model_name, digest, difference) if PARAMS.is_file() else []
