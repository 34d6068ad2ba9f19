"""One training loop, for features from memory and for pixels: AdamW over batches, in one process or several."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, tee
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from varml.config.params import Model, Train, TrainPrecision
from varml.config.views import View
from varml.data.dataset import FeatureSet, mean_of_views
from varml.ground.threads import one_thread
from varml.metrics.classification import METRICS
from varml.models.recognizer import Recognizer
from varml.training.balance import loss_weights
from varml.training.batches import (
    Batch,
    BatchSource,
    Draw,
    StoredFeatures,
    all_views,
    chosen_features,
    draw_batches,
    num_batches,
    own_share,
    stream_tensors,
)
from varml.training.checkpoint import Checkpoint
from varml.training.precision import faster_precision
from varml.training.processes import Precision, local_fabric, make_fabric
from varml.training.progress import progress, restore, saved_progress
from varml.training.reproducible import reproducible
from varml.training.schedule import ParameterGroup
from varml.training.steps import Steps, make_steps

if TYPE_CHECKING:
    from lightning_fabric import Fabric

EpochMetrics = dict[str, float]
OnEpoch = Callable[[int, EpochMetrics], None]
OnPrecision = Callable[[Precision], None]
Validate = Callable[[nn.Module], EpochMetrics]
Batches = Iterator[tuple[Draw, Batch]]
Probabilities = npt.NDArray[np.float32]  # (N, K), rows sum to 1

PREDICTION_BATCH = 256
logger = logging.getLogger(__name__)


def _nothing(epoch: int, metrics: EpochMetrics) -> None:
    """Report to nobody."""


def _log_precision(precision: Precision) -> None:
    logger.info("training runs in %s", precision)


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
    metric: str = "top1",
    on_epoch: OnEpoch = _nothing,
    checkpoint: Checkpoint | None = None,
) -> Recognizer:
    """Return a recogniser trained on ``training``, on the CPU of this process in float32: it is tiny.

    Batches come from ``source``, which knows the videos of ``training`` by their positions; without one they hold the
    features of ``training``, by which features are standardised in any case. ``on_epoch`` is called after each epoch
    with ``train_loss`` and, where ``validation`` is given, ``val_loss``, ``val_top1`` and that ``metric``. Equal
    arguments give equal weights, also where a training was interrupted and went on from its ``checkpoint``. Raises
    TrainingError where the loss or its gradient becomes NaN or infinite.
    """
    with reproducible(seed):
        recognizer = Recognizer(
            model,
            dim=training.dim,
            num_steps=training.num_steps,
            num_cells=training.num_cells,
            num_classes=len(training.classes),
        )
        recognizer.fit_standardisation(all_views(training, recognizer.streams))
        read = validation and _as_read(validation, recognizer)
        task = _Task(
            recognizer,
            source or StoredFeatures(_as_read(training, recognizer), seed),
            torch.from_numpy(training.labels),
            train,
            num_classes=len(training.classes),
            seed=seed,
            streams=recognizer.streams,
            validate=lambda network: _validate(network, read, metric),
            on_epoch=on_epoch,
            checkpoint=checkpoint,
        )
        _train(task, local_fabric(), "float32")
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
    on_precision: OnPrecision = _log_precision,
) -> nn.Module:
    """Train ``network`` in place and return it in eval mode.

    ``network`` maps the inputs of a batch, stream to (B, ...), to logits (B, K). ``labels`` (N,) int64 are the classes
    of the videos that ``source`` gives by their positions. ``parameter_groups`` may give parts of the network learning
    rates of their own (see :func:`varml.training.schedule.make_optimizer`). After each epoch ``validate`` is given the
    network in eval mode, in every process, and ``on_epoch`` its metrics beside ``train_loss``, in the first process.

    It runs where ``fabric`` says and in its precision; else on a GPU where there is one, in ``train.precision``, and
    together with the processes that ``torchrun`` or ``fabric run`` started: each takes its rows of every batch, and the
    gradient is that of the whole batch. Equal arguments give equal weights on the CPU in one precision, also where a
    training was interrupted and went on from its ``checkpoint``. Raises TrainingError where the loss or its gradient
    becomes NaN or infinite. ``on_precision`` is told which precision ``auto`` has settled on.
    """
    task = _Task(
        network, source, labels, train, num_classes, seed, streams,
        list(parameter_groups) if parameter_groups is not None else None, validate, on_epoch,
        on_precision, checkpoint,
    )  # fmt: skip
    placed = fabric or make_fabric("float32")
    # Processes draw their dropout apart.
    with reproducible(seed + placed.global_rank, placed.device):
        _train(task, placed, None if fabric else train.precision)
    return network


def predict(recognizer: nn.Module, features: FeatureSet) -> Probabilities:
    """Return the class probabilities of each video, (N, K) float32, the mean of its views."""
    answers = {view: _predict_view(recognizer, features, view) for view in features.features}
    return mean_of_views(answers, features.mirror)


def _as_read(features: FeatureSet, recognizer: Recognizer) -> FeatureSet:
    # What every batch would average is averaged once: a fifth of the time with 2 x 2 cells, two fifths with 3 x 3.
    return features if recognizer.reads_cells else features.over_grid()


def _predict_view(recognizer: nn.Module, features: FeatureSet, view: View) -> Probabilities:
    recognizer.eval()
    inputs = stream_tensors(features, view, recognizer.streams)  # type: ignore[arg-type]
    with one_thread(), torch.inference_mode():
        parts = [
            recognizer(chosen_features(inputs, chosen)).softmax(-1)
            for chosen in torch.arange(len(features)).split(PREDICTION_BATCH)
        ]
    return torch.cat(parts).numpy()


@dataclass(frozen=True)
class _Task:
    """What a training is asked for."""

    network: nn.Module
    source: BatchSource
    labels: Tensor
    train: Train
    num_classes: int
    seed: int
    streams: tuple[str, ...]
    parameter_groups: list[ParameterGroup] | None = None
    validate: Validate = _no_metrics
    on_epoch: OnEpoch = _nothing
    on_precision: OnPrecision = _log_precision
    checkpoint: Checkpoint | None = None

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return num_batches(len(self.labels), self.train)

    @property
    def class_weights(self) -> Tensor | None:
        """Factors of the classes in the loss, (K,), or None."""
        return loss_weights(self.labels, self.num_classes, self.train.balance)

    def batches(self, fabric: Fabric, first_epoch: int) -> Batches:
        """Return what falls to this process of each batch from ``first_epoch`` on."""
        drawn = draw_batches(self.labels, self.train, self.seed, first_epoch)
        draws, ahead = tee(own_share(draw, fabric.global_rank, fabric.world_size) for draw in drawn)
        return zip(draws, self.source.batches(ahead, self.streams), strict=True)


def _train(task: _Task, fabric: Fabric, precision: TrainPrecision | None) -> None:
    """Train in ``precision``, which None leaves to ``fabric``."""
    fabric.to_device(task.network)
    state = saved_progress(task.checkpoint, fabric)
    metrics: list[EpochMetrics] = list(state["metrics"]) if state else []
    batches = task.batches(fabric, len(metrics))
    if precision == "auto":
        # A training goes on in the precision that it began in, whatever is faster by now.
        precision, batches = (state["precision"], batches) if state else _faster(task, batches)
        if fabric.is_global_zero:
            task.on_precision(precision)
    steps = make_steps(
        make_fabric(precision) if precision == "bf16" else fabric,
        task.network,
        task.train,
        num_steps=task.train.num_epochs * task.num_batches,
        groups=task.parameter_groups,
        weights=task.class_weights,
    )
    if state:
        restore(steps, state)
    _run_epochs(task, steps, batches, metrics, precision)
    if steps.average is not None:
        task.network.load_state_dict(steps.result.state_dict())
    task.network.eval()


def _run_epochs(
    task: _Task,
    steps: Steps,
    batches: Batches,
    metrics: list[EpochMetrics],
    precision: TrainPrecision | None,
) -> None:
    """Run the epochs that are not in ``metrics`` yet, and report all."""
    report = task.on_epoch if steps.fabric.is_global_zero else _nothing
    for epoch, before in enumerate(metrics):
        report(epoch, before)
    for epoch in range(len(metrics), task.train.num_epochs):
        task.network.train()
        loss = steps.run(islice(batches, task.num_batches))
        metrics.append({"train_loss": loss, **task.validate(steps.result.eval())})
        if task.checkpoint is not None and task.checkpoint.is_due(epoch, task.train.num_epochs):
            state = progress(steps, metrics, precision)
            if steps.fabric.is_global_zero:
                task.checkpoint.save(state)
        report(epoch, metrics[-1])


def _faster(task: _Task, batches: Batches) -> tuple[Precision, Batches]:
    """Return the faster precision on the first of ``batches``, and all of them."""
    draw, batch = next(batches)
    faster, seconds = faster_precision(task.network, task.train, task.class_weights, draw, batch)
    logger.info("a step takes %s", ", ".join(f"{took:.3f} s in {name}" for name, took in seconds.items()))
    return faster, chain([(draw, batch)], batches)


def _validate(network: nn.Module, validation: FeatureSet | None, metric: str) -> EpochMetrics:
    if validation is None:
        return {}
    probabilities = predict(network, validation)
    true = probabilities[np.arange(len(validation)), validation.labels]
    figures = {
        f"val_{name}": METRICS[name](validation.labels, probabilities) for name in dict.fromkeys(["top1", metric])
    }
    return {"val_loss": float(-np.log(np.maximum(true, 1e-9)).mean()), **figures}
