"""One training loop, for features from memory and for pixels: AdamW over batches, on one process or several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, tee
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from varml.config.params import Model, Train
from varml.data.dataset import FeatureSet
from varml.errors import TrainingError
from varml.ground.threads import one_thread
from varml.metrics.classification import accuracy
from varml.models.recognizer import Recognizer
from varml.training.balance import loss_weights
from varml.training.batches import (
    Batch,
    BatchSource,
    Draw,
    StoredFeatures,
    chosen_features,
    draw_batches,
    num_batches,
    own_share,
    stream_tensors,
)
from varml.training.losses import weighted_loss
from varml.training.processes import local_fabric, make_fabric
from varml.training.reproducible import reproducible
from varml.training.schedule import ParameterGroup, make_optimizer, make_schedule

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from varml.training.checkpoint import Checkpoint

EpochMetrics = dict[str, float]
OnEpoch = Callable[[int, EpochMetrics], None]
Validate = Callable[[nn.Module], EpochMetrics]
Probabilities = npt.NDArray[np.float32]  # (N, K), rows sum to 1

PREDICTION_BATCH = 256


def _nothing(epoch: int, metrics: EpochMetrics) -> None:
    """Report to nobody."""


def _no_metrics(network: nn.Module) -> EpochMetrics:
    return {}


def fit(
    training: FeatureSet,
    model: Model,
    train: Train,
    *,
    seed: int,
    source: BatchSource | None = None,
    validation: FeatureSet | None = None,
    on_epoch: OnEpoch = _nothing,
    checkpoint: Checkpoint | None = None,
) -> Recognizer:
    """Return a recogniser trained on ``training``, on the CPU of this process in float32: it is tiny.

    Batches come from ``source``, which knows the videos of ``training`` by their positions; without one they hold the
    features of ``training``, by which features are standardised in any case. ``on_epoch`` is called after each epoch
    with ``train_loss`` and, where ``validation`` is given, ``val_loss`` and ``val_top1``. Equal arguments give equal
    weights, also where a training was interrupted and went on from its ``checkpoint``. Raises TrainingError where the
    loss or its gradient becomes NaN or infinite.
    """
    with reproducible(seed):
        recognizer = Recognizer(
            model, dim=training.dim, num_steps=training.num_steps, num_classes=len(training.classes)
        )
        recognizer.fit_standardisation(stream_tensors(training, recognizer.streams))
        _train(
            recognizer,
            source or StoredFeatures(training),
            torch.from_numpy(training.labels),
            train,
            num_classes=len(training.classes),
            seed=seed,
            streams=recognizer.streams,
            parameter_groups=None,
            validate=lambda network: _validate(network, validation),
            on_epoch=on_epoch,
            checkpoint=checkpoint,
            fabric=local_fabric(),
        )
    return recognizer


def train_network(
    network: nn.Module,
    source: BatchSource,
    labels: Tensor,
    train: Train,
    *,
    num_classes: int,
    seed: int,
    streams: tuple[str, ...],
    parameter_groups: Iterable[ParameterGroup] | None = None,
    validate: Validate = _no_metrics,
    on_epoch: OnEpoch = _nothing,
    checkpoint: Checkpoint | None = None,
    fabric: Fabric | None = None,
) -> nn.Module:
    """Train ``network`` in place and return it in eval mode.

    ``network`` maps the inputs of a batch, stream to (B, ...), to logits (B, K). ``labels`` (N,) int64 are the classes
    of the videos that ``source`` gives by their positions. ``parameter_groups`` may give parts of the network learning
    rates of their own (see :func:`varml.training.schedule.make_optimizer`). ``validate`` is given the network in eval
    mode after each epoch, in every process, and ``on_epoch`` its metrics beside ``train_loss``, in the first process.

    It runs where ``fabric`` says, else on a GPU where there is one, and together with the processes that ``torchrun``
    or ``fabric run`` started: each takes its rows of every batch, and the gradient is that of the whole batch. Equal
    arguments give equal weights on the CPU. Raises TrainingError where the loss or its gradient becomes NaN or
    infinite.
    """
    fabric = fabric or make_fabric("float32")
    with reproducible(seed, fabric.device):
        return _train(
            network, source, labels, train, num_classes=num_classes, seed=seed, streams=streams,
            parameter_groups=parameter_groups, validate=validate, on_epoch=on_epoch, checkpoint=checkpoint,
            fabric=fabric,
        )  # fmt: skip


def predict(recognizer: nn.Module, features: FeatureSet) -> Probabilities:
    """Return the class probabilities of each video, (N, K) float32."""
    recognizer.eval()
    inputs = stream_tensors(features, recognizer.streams)  # type: ignore[arg-type]
    with one_thread(), torch.inference_mode():
        parts = [
            recognizer(chosen_features(inputs, chosen)).softmax(-1)
            for chosen in torch.arange(len(features)).split(PREDICTION_BATCH)
        ]
    return torch.cat(parts).numpy()


def _train(
    network: nn.Module,
    source: BatchSource,
    labels: Tensor,
    train: Train,
    *,
    num_classes: int,
    seed: int,
    streams: tuple[str, ...],
    parameter_groups: Iterable[ParameterGroup] | None,
    validate: Validate,
    on_epoch: OnEpoch,
    checkpoint: Checkpoint | None,
    fabric: Fabric,
) -> nn.Module:
    fabric.to_device(network)
    weights = loss_weights(labels, num_classes, train.balance)
    optimizer = make_optimizer(network, train, parameter_groups)
    schedule = make_schedule(optimizer, train.num_epochs * num_batches(len(labels), train))
    module, wrapped = fabric.setup(network, optimizer)
    steps = Steps(fabric, module, wrapped, schedule, weights if weights is None else fabric.to_device(weights), train)
    draws = (own_share(draw, fabric.global_rank, fabric.world_size) for draw in draw_batches(labels, train, seed))
    ahead, draws = tee(draws)
    batches = zip(ahead, source.batches(draws, streams), strict=True)
    for epoch in range(train.num_epochs):
        network.train()
        loss = steps.run(islice(batches, num_batches(len(labels), train)))
        metrics = {"train_loss": loss, **validate(network.eval())}
        if fabric.is_global_zero:
            on_epoch(epoch, metrics)
    return network.eval()


@dataclass
class Steps:
    """The steps of a training, one batch each."""

    fabric: Fabric
    module: nn.Module
    optimizer: Any
    schedule: torch.optim.lr_scheduler.LRScheduler
    weights: Tensor | None
    train: Train
    number: int = field(default=0)

    def run(self, batches: Iterator[tuple[Draw, Batch]]) -> float:
        """Take a step on each batch of an epoch; return the mean loss of its videos, whichever process had them."""
        total, num_videos = 0.0, 0
        waiting: list[tuple[Draw, float, Tensor]] = []
        for draw, batch in batches:
            num_videos += len(draw.positions)
            waiting.append(self._step(draw, batch))
            # A GPU computes while the next step is prepared, unless its result is asked for at once.
            if len(waiting) > 1:
                total += self._loss(*waiting.pop(0))
        total += self._loss(*waiting.pop())
        if self.fabric.world_size > 1:
            total = float(self.fabric.all_reduce(torch.tensor(total, dtype=torch.float64), reduce_op="sum"))
        return total / num_videos

    def _step(self, draw: Draw, batch: Batch) -> tuple[Draw, float, Tensor]:
        inputs, targets = self._placed(batch)
        loss = weighted_loss(self.module(inputs), targets, self.weights, self.train.label_smoothing)
        self.optimizer.zero_grad()
        share = draw.weight * self.fabric.world_size
        # Processes average their gradients, and each of theirs is a mean over its own rows.
        self.fabric.backward(loss if share == 1 else loss * share)
        norm = self.fabric.clip_gradients(
            self.module, self.optimizer, max_norm=self.train.max_grad_norm or math.inf, error_if_nonfinite=False
        )
        lr = max(group["lr"] for group in self.optimizer.param_groups)
        self.optimizer.step()
        self.schedule.step()
        assert norm is not None
        return draw, lr, torch.stack([loss.detach(), norm.detach()])

    def _placed(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        if self.fabric.device.type == "cpu":
            return batch
        return self.fabric.to_device(batch.inputs), self.fabric.to_device(batch.targets)

    def _loss(self, draw: Draw, lr: float, values: Tensor) -> float:
        """Return the sum of the losses of the rows that count."""
        loss, norm = values.tolist()
        for name, value in (("loss", loss), ("norm of the gradient", norm)):
            if not math.isfinite(value):
                raise TrainingError(
                    f"the {name} is {value} in step {self.number} (epoch {draw.epoch}) at lr {lr:g}; lower train.lr, "
                    f"which is {self.train.lr:g} at its peak, or look for features or pixels that are no numbers"
                )
        self.number += 1
        return loss * (0 if draw.idle else len(draw.own_rows))


def _validate(network: nn.Module, validation: FeatureSet | None) -> EpochMetrics:
    if validation is None:
        return {}
    probabilities = predict(network, validation)
    true = probabilities[np.arange(len(validation)), validation.labels]
    top1 = accuracy(validation.labels, probabilities)
    return {"val_loss": float(-np.log(np.maximum(true, 1e-9)).mean()), "val_top1": top1}
