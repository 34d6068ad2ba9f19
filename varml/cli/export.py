"""What `varml export` does: a model becomes a folder with an ONNX network, and its version says so."""

from __future__ import annotations

from pathlib import Path

from varml.config import load_params
from varml.errors import ModelError, TrackingError
from varml.ground.paths import PARAMS
from varml.models.model_files import LoadedModel
from varml.models.onnx_export import export_model
from varml.tracking.registry.exports import log_export
from varml.tracking.served_model import find_model
from varml.tracking.store import tracking_errors


def export_to(target: Path, model: str | None) -> str:
    """Export the model that ``varml predict --model MODEL`` uses, and return what to say of it."""
    predictor = find_model(model).predictor
    if not isinstance(predictor.model, LoadedModel) or predictor.digest is None:
        raise ModelError(f"{model} is an export already; name the model that it came from")
    name = load_params().register_.model_name if PARAMS.is_file() else None  # outside a project there is no registry
    difference = export_model(predictor.model, predictor.digest, target)
    said = f"{target}: probabilities are those of the model to {difference:.1g} on random images"
    return f"{said}{_kept(target, name, predictor.digest, difference)}"


def _kept(target: Path, name: str | None, digest: str, difference: float) -> str:
    if name is None:
        return ""
    try:
        with tracking_errors():
            versions = log_export(target, name, digest, difference)
    except TrackingError as error:  # the export itself is whole
        return f"; not kept in the registry: {error}"
    return f"; kept with version {', '.join(versions)}" if versions else ""
