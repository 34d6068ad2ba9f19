"""The moving average of a network's weights, which often tells better than the weights of any one step.

Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, doi:10.1137/0330046.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def averaged_model(network: nn.Module, decay: float) -> AveragedModel:
    """Return an average of parameters and buffers that ``update_parameters(network)`` takes further.

    The average after n steps is ``decay`` times the one before and the rest the present weights; among the first steps
    the decay is smaller, so that the average forgets where training began, however few steps there are.
    """

    @torch.no_grad()
    def update(averages: list[Tensor], weights: list[Tensor], num_averaged: Tensor | int) -> None:
        get_ema_multi_avg_fn(decay_of_step(decay, int(num_averaged)))(averages, weights, num_averaged)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)  # type: ignore[arg-type]


def decay_of_step(decay: float, num_averaged: int) -> float:
    """Return min(decay, (1 + n) / (10 + n)), the warm-up of TensorFlow's ExponentialMovingAverage."""
    return min(decay, (1 + num_averaged) / (10 + num_averaged))
