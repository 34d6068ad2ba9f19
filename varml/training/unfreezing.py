"""Which parameters of a backbone are trained, and how fast: the deeper a layer lies, the slower it learns.

Layers are grouped as timm groups them. Layer-wise decay: Clark et al., "ELECTRA", 2020, arXiv:2003.10555; Bao et al.,
"BEiT", 2021, arXiv:2106.08254.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from varml.config.params import Train, Unfreeze
from varml.ground.torchvision_shim import import_torchvision
from varml.models.backbones import Backbone
from varml.models.video_network import VideoNetwork
from varml.training.schedule import ParameterGroup

# The last groups of layers that hold so much of a backbone's parameters are its last stage: a block and the layers
# behind it of an EfficientNet, layer4 of a ResNet, the last four blocks of twelve of a ViT.
LAST_STAGE_SHARE = 0.25


def unfreeze(network: VideoNetwork, what: Unfreeze) -> None:
    """Let the backbones of ``network`` be trained: not at all, in their last stages, or whole; the rest is fixed."""
    for backbone in network.stream_backbones.values():
        train_only(backbone, trained_parameters(backbone, what))


def trained_parameters(backbone: Backbone, what: Unfreeze) -> set[str]:
    """Return the names, in the network of ``backbone``, of the parameters that ``what`` trains."""
    return _TRAINED[what](backbone)


def train_only(backbone: Backbone, trained: set[str]) -> None:
    """Let the parameters of the network of ``backbone`` that are named ``trained`` be trained, and fix the others."""
    for name, parameter in backbone.network.named_parameters():
        parameter.requires_grad_(name in trained)


def layer_groups(network: VideoNetwork, train: Train) -> list[ParameterGroup]:
    """Return the groups of parameters that are trained: those of the recogniser at ``train.lr``, and each layer of a
    backbone at ``train.finetune.layer_decay`` times the rate of the one above it.

    Biases and normalisation are not drawn towards zero.
    """
    import_torchvision()
    from timm.optim import param_groups_layer_decay, param_groups_weight_decay

    groups: list[ParameterGroup] = [{"params": list(network.recognizer.parameters())}]
    for backbone in network.stream_backbones.values():
        if _num_layers(backbone.network) > 1:
            decay = {"weight_decay": train.weight_decay, "layer_decay": train.finetune.layer_decay}
            groups += param_groups_layer_decay(backbone.network, **decay)
        else:  # a part of a network may be one layer, and timm warns of a decay from layer to layer there
            groups += param_groups_weight_decay(backbone.network, weight_decay=train.weight_decay)
    return groups


def _num_layers(network: nn.Module) -> int:
    import_torchvision()
    from timm.models import group_parameters

    return len(set(group_parameters(network, network.group_matcher(coarse=False), reverse=True).values()))  # type: ignore[operator]


def _last_stage(backbone: Backbone) -> set[str]:
    """Return the names of the parameters in the last stage of a timm network."""
    import_torchvision()
    from timm.models import group_parameters

    network = backbone.network
    sizes = {name: parameter.numel() for name, parameter in _used(backbone).items()}
    groups = group_parameters(network, network.group_matcher(coarse=True))  # type: ignore[operator]
    chosen: set[str] = set()
    for group in sorted(groups, reverse=True):
        chosen |= {name for name in groups[group] if name in sizes}
        if sum(sizes[name] for name in chosen) >= LAST_STAGE_SHARE * sum(sizes.values()):
            break
    return chosen


def _all(backbone: Backbone) -> set[str]:
    return set(_used(backbone))


def _used(backbone: Backbone) -> dict[str, nn.Parameter]:
    """Return the parameters that the feature map depends on, by name.

    What belongs to the classifier stands behind it, as ``conv_head`` of a MobileNetV3 does, and would learn nothing.
    """
    parameters = dict(backbone.network.named_parameters())
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    images = torch.zeros(1, backbone.in_chans, backbone.size_px, backbone.size_px)
    with torch.enable_grad():
        features = backbone.feature_map(images)
        found = torch.autograd.grad(features.sum(), list(parameters.values()), allow_unused=True)
    return {name: parameters[name] for name, gradient in zip(parameters, found, strict=True) if gradient is not None}


_TRAINED: dict[Unfreeze, Callable[[Backbone], set[str]]] = {
    "none": lambda backbone: set(),
    "last_stage": _last_stage,
    "all": _all,
}
