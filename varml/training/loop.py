"""One training: AdamW with a linear warm-up and a cosine schedule over batches of features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from varml.config.params import Model, Train
from varml.data.dataset import FeatureSet
from varml.errors import SearchError
from varml.ground.threads import one_thread
from varml.metrics.classification import accuracy
from varml.models.recognizer import Recognizer
from varml.training.balance import loss_weights
from varml.training.batches import Batch, BatchSource, StoredFeatures, chosen_features, draw_batches, stream_tensors

EpochMetrics = dict[str, float]
OnEpoch = Callable[[int, EpochMetrics], None]
Probabilities = npt.NDArray[np.float32]  # (N, K), rows sum to 1

WARM_UP_FRACTION = 0.1
MAX_GRADIENT_NORM = 1.0
PREDICTION_BATCH = 256


def fit(
    training: FeatureSet,
    model: Model,
    train: Train,
    *,
    seed: int,
    source: BatchSource | None = None,
    validation: FeatureSet | None = None,
    on_epoch: OnEpoch = lambda epoch, metrics: None,
) -> Recognizer:
    """Return a recogniser trained on ``training``.

    Batches come from ``source``, which knows the videos of ``training`` by their positions; without one they hold the
    features of ``training``, by which features are standardised in any case. ``on_epoch`` is called after each epoch
    with ``train_loss`` and, where ``validation`` is given, ``val_loss`` and ``val_top1``. Equal arguments give equal
    weights. Raises SearchError where the loss becomes NaN or infinite.
    """
    with reproducible(seed):
        recognizer = Recognizer(
            model,
            dim=training.dim,
            num_steps=training.num_steps,
            num_cells=training.num_cells,
            num_classes=len(training.classes),
        )
        features, labels = stream_tensors(training, recognizer.streams), torch.from_numpy(training.labels)
        recognizer.fit_standardisation(features)
        optimizer = torch.optim.AdamW(recognizer.parameters(), lr=train.lr, weight_decay=train.weight_decay, fused=True)
        scheduler = _schedule(optimizer, train, len(training))
        weights = loss_weights(labels, len(training.classes), train.balance)
        batches = (source or StoredFeatures(training)).batches(draw_batches(labels, train, seed), recognizer.streams)
        for epoch in range(train.num_epochs):
            of_epoch = islice(batches, _num_batches(len(training), train))
            loss = _train_epoch(recognizer, of_epoch, weights, train.label_smoothing, optimizer, scheduler)
            if not np.isfinite(loss):
                raise SearchError(f"the loss is {loss} in epoch {epoch} at lr {train.lr:g}; lower train.lr")
            on_epoch(epoch, {"train_loss": loss, **_validate(recognizer, validation)})
    return recognizer.eval()


def predict(recognizer: Recognizer, features: FeatureSet) -> Probabilities:
    """Return the class probabilities of each video, (N, K) float32."""
    recognizer.eval()
    inputs = stream_tensors(features, recognizer.streams)
    with one_thread(), torch.inference_mode():
        parts = [
            recognizer(chosen_features(inputs, chosen)).softmax(-1)
            for chosen in torch.arange(len(features)).split(PREDICTION_BATCH)
        ]
    return torch.cat(parts).numpy()


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Run the block from ``seed``, with deterministic kernels and one thread; leave everything as it was."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)


def _schedule(optimizer: torch.optim.Optimizer, train: Train, num_videos: int) -> LRScheduler:
    num_steps = train.num_epochs * _num_batches(num_videos, train)
    num_warm_up = max(round(WARM_UP_FRACTION * num_steps), 1)
    warm_up = LinearLR(optimizer, start_factor=1 / (num_warm_up + 1), total_iters=num_warm_up)
    cosine = CosineAnnealingLR(optimizer, T_max=max(num_steps - num_warm_up, 1))
    return SequentialLR(optimizer, [warm_up, cosine], milestones=[num_warm_up])


def _num_batches(num_videos: int, train: Train) -> int:
    return -(-num_videos // train.batch_size)


def _train_epoch(
    recognizer: Recognizer,
    batches: Iterator[Batch],
    weights: Tensor | None,
    label_smoothing: float,
    optimizer: torch.optim.Optimizer,
    scheduler: LRScheduler,
) -> float:
    recognizer.train()
    total, num_videos = 0.0, 0
    for features, targets in batches:
        loss = weighted_loss(recognizer(features), targets, weights, label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(recognizer.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        scheduler.step()
        total += loss.item() * len(targets)
        num_videos += len(targets)
    return total / num_videos


def weighted_loss(logits: Tensor, targets: Tensor, weights: Tensor | None, label_smoothing: float) -> Tensor:
    """Return the mean cross-entropy of ``logits`` (B, K), each class's share of a target times its weight (K,).

    ``targets`` are classes (B,) int64, or shares of classes (B, K) that sum to 1.
    """
    if weights is None:
        return F.cross_entropy(logits, targets, label_smoothing=label_smoothing)
    shares = targets if targets.is_floating_point() else F.one_hot(targets, logits.shape[-1])
    weighed = shares * weights
    total = weighed.sum(-1)
    losses = F.cross_entropy(logits, weighed / total[:, None], label_smoothing=label_smoothing, reduction="none")
    # The mean over videos, not over weights: of a batch of one class these would cancel out.
    return (total * losses).mean()


def _validate(recognizer: Recognizer, validation: FeatureSet | None) -> EpochMetrics:
    if validation is None:
        return {}
    probabilities = predict(recognizer, validation)
    true = probabilities[np.arange(len(validation)), validation.labels]
    top1 = accuracy(validation.labels, probabilities)
    return {"val_loss": float(-np.log(np.maximum(true, 1e-9)).mean()), "val_top1": top1}
