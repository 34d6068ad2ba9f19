"""Which parameters of a backbone are trained, and how fast: the deeper a layer lies, the slower it learns.

Layers are grouped as timm groups them. Layer-wise decay: Clark et al., "ELECTRA", 2020, arXiv:2003.10555; Bao et al.,
"BEiT", 2021, arXiv:2106.08254.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from varml.config.params import Train, Unfreeze
from varml.ground.torchvision_shim import import_torchvision
from varml.models.video_network import VideoNetwork
from varml.training.schedule import ParameterGroup

# The last groups of layers that hold so much of a backbone's parameters are its last stage: a block and the layers
# behind it of an EfficientNet, layer4 of a ResNet, the last four blocks of twelve of a ViT.
LAST_STAGE_SHARE = 0.25


def unfreeze(network: VideoNetwork, what: Unfreeze) -> None:
    """Let the backbones of ``network`` be trained: not at all, in their last stages, or whole; the rest is fixed."""
    for backbone in network.stream_backbones.values():
        trained = _TRAINED[what](backbone.network)
        for name, parameter in backbone.network.named_parameters():
            parameter.requires_grad_(name in trained)


def layer_groups(network: VideoNetwork, train: Train) -> list[ParameterGroup]:
    """Return the groups of parameters that are trained: those of the recogniser at ``train.lr``, and each layer of a
    backbone at ``train.finetune.layer_decay`` times the rate of the one above it.

    Biases and normalisation are not drawn towards zero.
    """
    import_torchvision()
    from timm.optim import param_groups_layer_decay

    groups: list[ParameterGroup] = [{"params": list(network.recognizer.parameters())}]
    for backbone in network.stream_backbones.values():
        decay = {"weight_decay": train.weight_decay, "layer_decay": train.finetune.layer_decay}
        groups += param_groups_layer_decay(backbone.network, **decay)
    return groups


def _last_stage(network: nn.Module) -> set[str]:
    """Return the names of the parameters in the last stage of a timm network."""
    import_torchvision()
    from timm.models import group_parameters

    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    groups = group_parameters(network, network.group_matcher(coarse=True))  # type: ignore[operator]
    chosen: set[str] = set()
    for group in sorted(groups, reverse=True):
        chosen |= {name for name in groups[group] if name in sizes}
        if sum(sizes[name] for name in chosen) >= LAST_STAGE_SHARE * sum(sizes.values()):
            break
    return chosen


def _all(network: nn.Module) -> set[str]:
    return {name for name, _ in network.named_parameters()}


_TRAINED: dict[Unfreeze, Callable[[nn.Module], set[str]]] = {
    "none": lambda network: set(),
    "last_stage": _last_stage,
    "all": _all,
}
