"""The optimiser of a training and its learning rate: AdamW, a linear warm-up, then a cosine down to zero."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from varml.config.params import Train

WARM_UP_FRACTION = 0.1
ParameterGroup = dict[str, Any]


def make_optimizer(network: nn.Module, train: Train, groups: Iterable[ParameterGroup] | None) -> torch.optim.AdamW:
    """Return AdamW over ``groups``, or over all parameters of ``network`` that are trained.

    A group may have its own ``lr`` and ``weight_decay``, and an ``lr_scale`` that multiplies its learning rate, as
    those of :func:`timm.optim.param_groups_layer_decay` have; what it lacks is of ``train``.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    scaled = [_scaled(group, train.lr) for group in groups] if groups is not None else trained
    return torch.optim.AdamW(scaled, lr=train.lr, weight_decay=train.weight_decay, fused=True)


def _scaled(group: ParameterGroup, lr: float) -> ParameterGroup:
    # torch knows no lr_scale; timm's own schedulers multiply by it.
    kept = {key: value for key, value in group.items() if key != "lr_scale"}
    return {**kept, "lr": group.get("lr", lr) * group.get("lr_scale", 1.0)}


def make_schedule(optimizer: torch.optim.Optimizer, num_steps: int) -> LRScheduler:
    """Return the schedule of ``num_steps`` steps; each group's learning rate is the peak of its own."""
    num_warm_up = max(round(WARM_UP_FRACTION * num_steps), 1)
    warm_up = LinearLR(optimizer, start_factor=1 / (num_warm_up + 1), total_iters=num_warm_up)
    cosine = CosineAnnealingLR(optimizer, T_max=max(num_steps - num_warm_up, 1))
    return SequentialLR(optimizer, [warm_up, cosine], milestones=[num_warm_up])
