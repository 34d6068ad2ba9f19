"""A model on disk: weights as safetensors, everything else as JSON, and the sha256 of both, checked first.

``model.json`` holds the classes, the members and all params that prediction needs, so that the folder alone turns raw
video into scores. Nothing in it is ever unpickled or run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from varml.errors import ModelError
from varml.flow.estimator import estimators
from varml.ground.atomic import write_bytes, write_json
from varml.ground.content_key import file_digest
from varml.ground.registry import Registry
from varml.models.checked_files import CHECKSUMS, check_files, write_checksums
from varml.models.description import FORMAT, Description
from varml.video.reader import Frames

if TYPE_CHECKING:
    from torch import nn

    from varml.models.backbones import Backbone
    from varml.models.ensemble import Ensemble
    from varml.models.recognizer import Recognizer

DESCRIPTION = "model.json"
WEIGHTS = "weights.safetensors"
FLOW_WEIGHTS = "flow.safetensors"  # of a flow estimator that has any


@dataclass(frozen=True)
class LoadedModel:
    """A description with its networks, ready to predict; ``flow_state`` are the flow estimator's weights, if any.

    ``backbones`` are by their keys, ``recognizers`` in the order of the members.
    """

    description: Description
    backbones: Mapping[str, Backbone]
    recognizers: list[Recognizer]
    flow_state: dict[str, Any] | None = None

    @cached_property
    def ensemble(self) -> Ensemble:
        """The members as one network, which predicts."""
        # Here and not above: torch is slow to import, and whoever only checks a model needs none.
        from varml.models.ensemble import Ensemble, Member

        said = self.description
        pairs = zip(self.recognizers, said.members, strict=True)
        members = [Member(recognizer, m.weight, m.backbones, said.views_of(m)) for recognizer, m in pairs]
        return Ensemble(members, said.temperature, said.mirror)

    def score(self, frames: Frames) -> npt.NDArray[np.float32]:
        """Return the probability of each class, (K,), for frames (S, F, H, W, 3) uint8 as they are stored."""
        from varml.flow.store import clip_flow
        from varml.models.ensemble import compute_inputs

        pre = self.description.preprocessing
        flow = clip_flow(frames, pre.flow)
        features = compute_inputs(self.ensemble.inputs, self.backbones, frames, flow, pre.features)
        return np.asarray(self.ensemble.predict({one: values[None] for one, values in features.items()})[0])

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Every network by what the names of its weights begin with."""
        backbones: dict[str, nn.Module] = {f"backbones.{key}.": module for key, module in self.backbones.items()}
        return backbones | {f"members.{place}.": module for place, module in enumerate(self.recognizers)}


def save_model(folder: Path, model: LoadedModel) -> None:
    """Write ``model`` into ``folder``; the list of checksums comes last and makes it complete."""
    state = {
        prefix + name: tensor
        for prefix, network in model.networks.items()
        for name, tensor in network.state_dict().items()
    }
    parts = {WEIGHTS: state} | ({FLOW_WEIGHTS: model.flow_state} if model.flow_state else {})
    for name, tensors in parts.items():
        write_tensors(folder / name, tensors)
    # The model brings its weights along; where they came from is a path of this machine.
    write_json(folder / DESCRIPTION, model.description.with_flow_weights({}).model_dump())
    write_checksums(folder, [DESCRIPTION, *parts])


def write_tensors(path: Path, tensors: Mapping[str, Any]) -> None:
    """Write torch's ``tensors`` by their names as safetensors."""
    from safetensors.torch import save

    write_bytes(path, save({key: tensor.contiguous() for key, tensor in tensors.items()}))


def load_model(folder: Path) -> LoadedModel:
    """Return the model in ``folder``.

    Raises ModelError where a file is missing, altered or added since it was saved, or the model is of another format.
    """
    names = verify(folder)
    description = read_description(folder)
    from safetensors.torch import load_file

    description, flow_state = with_flow_state(description, folder, names)
    model = _build(description, flow_state)
    try:
        _fill(model.networks, load_file(folder / WEIGHTS))
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"{folder / WEIGHTS} does not fit the networks that model.json describes; install the versions of timm and "
            "varml that saved it, or make the model again"
        ) from error
    return model


def with_flow_state(
    description: Description, folder: Path, names: list[str]
) -> tuple[Description, dict[str, Any] | None]:
    """Return ``description`` with the file of its flow estimator's weights, and these, if they are among ``names``.

    Raises ModelError where the model is made of parts that nobody has registered.
    """
    from safetensors.torch import load_file

    _check_names(description)
    if FLOW_WEIGHTS not in names:
        return description, None
    file = (folder / FLOW_WEIGHTS).resolve()
    return description.with_flow_weights({description.preprocessing.flow.estimator: str(file)}), load_file(file)


def verify(folder: Path) -> list[str]:
    """Return the names of the model's files; raises as :func:`varml.models.checked_files.check_files` does."""
    return check_files(folder, {DESCRIPTION, WEIGHTS}, {FLOW_WEIGHTS})


def model_digest(folder: Path) -> str:
    """Return the sha256 that stands for the whole model."""
    return file_digest(folder / CHECKSUMS)


def _build(description: Description, flow_state: dict[str, Any] | None) -> LoadedModel:
    """Return the networks that ``description`` names, in eval mode, with weights that mean nothing yet."""
    from varml.models.backbones import build_backbone
    from varml.models.recognizer import Recognizer

    features, num_classes = description.preprocessing.features, len(description.classes)
    backbones = {
        key: build_backbone(backbone.name, features.image_size_px, None, backbone.in_chans)
        for key, backbone in description.backbones.items()
    }
    recognizers = [
        Recognizer(
            member.model,
            dim=member.dim,
            num_steps=member.num_steps,
            num_cells=features.grid_size**2,
            num_classes=num_classes,
        ).eval()
        for member in description.members
    ]
    return LoadedModel(description, backbones, recognizers, flow_state)


def _fill(networks: Mapping[str, nn.Module], state: dict[str, Any]) -> None:
    """Load ``state`` into the networks; raises KeyError or RuntimeError where they do not have the same tensors."""
    for prefix, network in networks.items():
        network.load_state_dict({name: state.pop(prefix + name) for name in network.state_dict()})
    if state:
        raise KeyError(min(state))


def _check_names(description: Description) -> None:
    from varml.models.attention import attention_kinds
    from varml.models.fusion import fusions

    named: list[tuple[Registry[Any], str]] = [(estimators, description.preprocessing.flow.estimator)]
    named += [(attention_kinds, member.model.attention.kind) for member in description.members]
    named += [(fusions, member.model.fusion) for member in description.members]
    for registry, name in named:
        if name not in registry.names():
            raise ModelError(
                f"the model needs the {registry.kind} {name!r}, which varml has not got; import the plugin that "
                "registers it, or run where params.yaml names it under plugins"
            )


def read_description(folder: Path) -> Description:
    """Return what ``model.json`` in ``folder`` says; raises ModelError where it is of another format or no model's."""
    tree = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    if tree.get("format") != FORMAT:
        raise ModelError(f"{folder} has model format {tree.get('format')!r}; this varml reads format {FORMAT}")
    try:
        return Description.model_validate(tree)
    except ValidationError as error:
        raise ModelError(f"{folder / DESCRIPTION} does not describe a model: {error}") from error
