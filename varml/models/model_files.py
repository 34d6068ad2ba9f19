"""A model on disk: weights as safetensors, everything else as JSON, and the sha256 of both, checked first.

``model.json`` holds the classes and all params that prediction needs, so that the folder alone turns raw video
into scores. Nothing in it is ever unpickled or run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from varml.config.params import Features, Flow, Frames, Model, Probe, Section
from varml.errors import ModelError
from varml.flow.estimator import estimators
from varml.ground.atomic import write_bytes, write_json
from varml.ground.content_key import file_digest

FORMAT = 4
DESCRIPTION = "model.json"
WEIGHTS = "weights.safetensors"
FLOW_WEIGHTS = "flow.safetensors"  # of a flow estimator that has any
CHECKSUMS = "checksums.json"


class Preprocessing(Section):
    """From raw video to features, as training had it."""

    probe: Probe
    frames: Frames
    flow: Flow
    features: Features


class Description(Section):
    """The content of model.json."""

    format: int
    classes: list[str]
    dim: int
    num_steps: dict[str, int]
    model: Model
    preprocessing: Preprocessing


@dataclass(frozen=True)
class LoadedModel:
    """A description with its networks, ready to predict; ``flow_state`` are the flow estimator's weights, if any.

    ``flow_backbone`` is the backbone of flow where that is not the one of RGB.
    """

    description: Description
    backbone: Any  # varml.models.backbones.Backbone
    recognizer: Any  # varml.models.recognizer.Recognizer
    flow_state: dict[str, Any] | None = None
    flow_backbone: Any = None

    @property
    def backbones(self) -> dict[str, Any]:
        """The backbone of each stream."""
        return {"rgb": self.backbone, "flow": self.flow_backbone or self.backbone}


def save_model(folder: Path, model: LoadedModel) -> None:
    """Write ``model`` into ``folder``; the list of checksums comes last and makes it complete."""
    from safetensors.torch import save

    state = {f"backbone.{name}": tensor for name, tensor in model.backbone.state_dict().items()}
    state |= {f"recognizer.{name}": tensor for name, tensor in model.recognizer.state_dict().items()}
    if model.flow_backbone:
        state |= {f"flow_backbone.{name}": tensor for name, tensor in model.flow_backbone.state_dict().items()}
    parts = {WEIGHTS: state} | ({FLOW_WEIGHTS: model.flow_state} if model.flow_state else {})
    for name, tensors in parts.items():
        write_bytes(folder / name, save({key: tensor.contiguous() for key, tensor in tensors.items()}))
    # The model brings its weights along; where they came from is a path of this machine.
    write_json(folder / DESCRIPTION, _with_flow_weights(model.description, {}).model_dump())
    write_json(folder / CHECKSUMS, {name: file_digest(folder / name) for name in (DESCRIPTION, *parts)})


def load_model(folder: Path) -> LoadedModel:
    """Return the model in ``folder``.

    Raises ModelError where a file is missing, altered since it was saved, or of another format.
    """
    names = verify(folder)
    description = _read_description(folder)
    from safetensors.torch import load_file

    from varml.models.features import stream_backbones
    from varml.models.recognizer import Recognizer

    _check_names(description)
    state = load_file(folder / WEIGHTS)
    params, features = description.model, description.preprocessing.features
    backbone, flow_backbone = stream_backbones(
        params.backbone, features, description.preprocessing.frames.frames_per_segment, None
    ).values()
    recognizer = Recognizer(
        params,
        dim=description.dim,
        num_steps=description.num_steps,
        num_cells=features.grid_size**2,
        num_classes=len(description.classes),
    )
    modules = {"backbone.": backbone, "recognizer.": recognizer}
    if flow_backbone is not backbone:
        modules["flow_backbone."] = flow_backbone
    try:
        for prefix, module in modules.items():
            module.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    except RuntimeError as error:
        raise ModelError(
            f"{folder / WEIGHTS} does not fit the network that model.json describes; install the versions of timm and "
            "varml that saved it, or make the model again"
        ) from error
    file = (folder / FLOW_WEIGHTS).resolve()
    flow_state = load_file(file) if FLOW_WEIGHTS in names else None
    if flow_state:
        flow = {description.preprocessing.flow.estimator: str(file)}
        description = _with_flow_weights(description, flow)
    return LoadedModel(description, backbone.eval(), recognizer.eval(), flow_state, modules.get("flow_backbone."))


def verify(folder: Path) -> list[str]:
    """Return the names of the model's files; raise ModelError unless each has the sha256 that it was saved with."""
    try:
        expected = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no complete model ({CHECKSUMS}: {error}); run `dvc repro`") from error
    needed = {DESCRIPTION, WEIGHTS}
    if not isinstance(expected, dict) or not needed <= set(expected) <= {*needed, FLOW_WEIGHTS}:
        raise ModelError(f"{folder / CHECKSUMS} must list {DESCRIPTION} and {WEIGHTS}; make the model again")
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file() or file_digest(path) != digest:
            raise ModelError(f"{path} is missing or was altered after it was saved; do not use it, make it again")
    return list(expected)


def model_digest(folder: Path) -> str:
    """Return the sha256 that stands for the whole model."""
    return file_digest(folder / CHECKSUMS)


def _with_flow_weights(description: Description, weights: dict[str, str]) -> Description:
    """Return ``description`` with these files of flow weights, and with none of backbones: the model holds its own."""
    preprocessing = description.preprocessing
    parts = {
        "features": preprocessing.features.model_copy(update={"weights": {}}),
        "flow": preprocessing.flow.model_copy(update={"weights": weights}),
    }
    return description.model_copy(update={"preprocessing": preprocessing.model_copy(update=parts)})


def _check_names(description: Description) -> None:
    from varml.models.attention import attention_kinds
    from varml.models.fusion import fusions

    for registry, name in (
        (estimators, description.preprocessing.flow.estimator),
        (attention_kinds, description.model.attention.kind),
        (fusions, description.model.fusion),
    ):
        if name not in registry.names():
            raise ModelError(
                f"the model needs the {registry.kind} {name!r}, which varml has not got; import the plugin that "
                "registers it, or run where params.yaml names it under plugins"
            )


def _read_description(folder: Path) -> Description:
    tree = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    if tree.get("format") != FORMAT:
        raise ModelError(f"{folder} has model format {tree.get('format')!r}; this varml reads format {FORMAT}")
    try:
        return Description.model_validate(tree)
    except ValidationError as error:
        raise ModelError(f"{folder / DESCRIPTION} does not describe a model: {error}") from error
