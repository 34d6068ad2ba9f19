"""The steps of a training: forward, loss, backward, clipping, optimiser, schedule, average."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from varml.config.params import Train
from varml.errors import TrainingError
from varml.training.averaging import averaged_model
from varml.training.batches import Batch, Draw
from varml.training.losses import weighted_loss
from varml.training.schedule import ParameterGroup, make_optimizer, make_schedule

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class _Taken(NamedTuple):
    """A step whose loss and gradient norm, (2,), may still be computed; ``lr`` is the largest of all groups."""

    draw: Draw
    lr: float
    values: Tensor


@dataclass
class Steps:
    """A network in training, with all that changes from step to step."""

    fabric: Fabric
    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    average: AveragedModel | None
    weights: Tensor | None
    train: Train

    def __post_init__(self) -> None:
        self._module, self._optimizer = self.fabric.setup(self.network, self.optimizer)

    @property
    def result(self) -> nn.Module:
        """The network that the training gives: with averaged weights, where these are kept."""
        return self.network if self.average is None else self.average.module

    def run(self, batches: Iterable[tuple[Draw, Batch]]) -> float:
        """Take a step on each batch of an epoch; return the mean loss of its videos, whichever process had them.

        Raises TrainingError where a loss or the norm of its gradient is NaN or infinite.
        """
        total, num_videos, before = 0.0, 0, None
        for draw, batch in batches:
            num_videos += len(draw.positions)
            taken = self._step(draw, batch)
            # A GPU computes while the next batch is fetched, unless its result is asked for at once.
            total += 0.0 if before is None else self._loss(before)
            before = taken
        total += 0.0 if before is None else self._loss(before)
        if self.fabric.world_size > 1:
            summed = self.fabric.all_reduce(torch.tensor(total), reduce_op="sum")
            assert isinstance(summed, Tensor)
            total = summed.item()
        return total / num_videos

    def _step(self, draw: Draw, batch: Batch) -> _Taken:
        inputs, targets = self._placed(batch)
        loss = weighted_loss(self._module(inputs), targets, self.weights, self.train.label_smoothing)
        self._optimizer.zero_grad()
        # Processes average their gradients, and each of theirs is a mean over its own rows.
        share = draw.weight * self.fabric.world_size
        self.fabric.backward(loss if share == 1 else loss * share)
        norm = self.fabric.clip_gradients(
            self._module, self._optimizer, max_norm=self.train.max_grad_norm or math.inf, error_if_nonfinite=False
        )
        assert norm is not None
        lr = max(group["lr"] for group in self.optimizer.param_groups)
        self._optimizer.step()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return _Taken(draw, lr, torch.stack([loss.detach(), norm.detach()]))

    def _placed(self, batch: Batch) -> tuple[Any, Any]:
        if self.fabric.device.type == "cpu":
            return batch
        return self.fabric.to_device(batch.inputs), self.fabric.to_device(batch.targets)

    def _loss(self, taken: _Taken) -> float:
        # The sum over the rows that count.
        loss, norm = taken.values.tolist()
        for name, value in (("loss", loss), ("norm of the gradient", norm)):
            if not math.isfinite(value):
                draw, peak = taken.draw, self.train.lr
                raise TrainingError(
                    f"the {name} is {value} in step {draw.number} of epoch {draw.epoch} at lr {taken.lr:g}; lower "
                    f"train.lr ({peak:g} at its peak), or look for inputs that are no numbers"
                )
        return loss * (0 if taken.draw.idle else len(taken.draw.own_rows))


def make_steps(
    fabric: Fabric,
    network: nn.Module,
    train: Train,
    *,
    num_steps: int,
    groups: Iterable[ParameterGroup] | None,
    weights: Tensor | None,
) -> Steps:
    """Return the steps of a training of ``network`` from its beginning; ``weights`` (K,) are those of the classes."""
    fabric.to_device(network)
    optimizer = make_optimizer(network, train, groups)
    return Steps(
        fabric,
        network,
        optimizer,
        make_schedule(optimizer, num_steps),
        averaged_model(network, train.ema) if train.ema else None,
        None if weights is None else fabric.to_device(weights),
        train,
    )
