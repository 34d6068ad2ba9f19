"""Trainings that are killed at a chosen point, in a process of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tiny_network import NUM_CLASSES, TinySource, digest, make_network
from torch import nn

from varml.config.params import Attention, Features, Model, Train
from varml.data.dataset import FeatureSet
from varml.ground import atomic
from varml.models.backbones import _timm, build_backbone
from varml.training.augmented import AugmentedFeatures, AugmentedImages
from varml.training.checkpoint import Checkpoint
from varml.training.clips import ClipSet
from varml.training.loop import fit, train_network

NUM_EPOCHS = 4
_timm()  # once, in the process that all others come from


@dataclass
class Training:
    """A training of a network, or of a recogniser on changed clips where there are ``clips``."""

    values: dict[str, Any] = field(default_factory=dict)
    clips: ClipSet | None = None
    features: FeatureSet | None = None

    def run(self, checkpoint: Checkpoint | None, on_epoch: Callable[[int, Any], None] = lambda *_: None) -> str:
        """Return the sha256 of the weights."""
        values = {"batch_size": 4, "balance": "none", "precision": "float32"} | self.values
        train = Train(num_epochs=NUM_EPOCHS, lr=1e-2, weight_decay=0.05, label_smoothing=0.1, augment=0, **values)
        return digest(self._fit(train, checkpoint, on_epoch) if self.clips else _train(train, checkpoint, on_epoch))

    def _fit(self, train: Train, checkpoint: Checkpoint | None, on_epoch: Callable[[int, Any], None]) -> nn.Module:
        assert self.clips is not None
        assert self.features is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            backbone = build_backbone("test_resnet", 64, None)
        params = Features(image_size_px=64, grid_size=1, flow_images="direction", weights={})
        backbones = {"rgb": backbone, "flow": backbone}
        source = AugmentedFeatures(AugmentedImages(self.clips, backbones, params, strength=0.7, seed=3, num_workers=0))
        model = Model(backbone="any", attention=Attention(depth=1, num_heads=2), fusion="concat", width=8, dropout=0.3)
        return fit(self.features, model, train, seed=5, source=source, on_epoch=on_epoch, checkpoint=checkpoint)


def _train(train: Train, checkpoint: Checkpoint | None, on_epoch: Callable[[int, Any], None]) -> nn.Module:
    source = TinySource(14)
    return train_network(
        make_network(), source, source.labels, train, num_classes=NUM_CLASSES, seed=5, streams=("rgb",),
        on_epoch=on_epoch, checkpoint=checkpoint,
    )  # fmt: skip


def die(*_: Any) -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def run_until(training: Training, checkpoint: Checkpoint, point: str, epoch: int) -> None:
    """Train until the process dies: before, while or after the checkpoint of ``epoch`` is written."""
    if point == "before":
        # The checkpoint of an epoch is written before the epoch is reported.
        _die_in(epoch, lambda: setattr(Checkpoint, "save", die))
    elif point == "half written":
        _die_in(epoch, lambda: setattr(atomic.os, "fsync", die))
    elif point == "written":
        _die_in(epoch, lambda: setattr(atomic.Path, "replace", die))
    training.run(checkpoint, on_epoch=lambda number, _: die() if (point, number) == ("after", epoch) else None)
    raise AssertionError("it was to die")


def _die_in(epoch: int, arm: Callable[[], None]) -> None:
    save, calls = Checkpoint.save, iter(range(NUM_EPOCHS))

    def counted(self: Checkpoint, state: Any) -> None:
        if next(calls) == epoch:
            arm()
        # What is armed may be this very method.
        (Checkpoint.save if Checkpoint.save is not counted else save)(self, state)

    Checkpoint.save = counted  # type: ignore[method-assign]


def result_of(training: Training, checkpoint: Checkpoint | None, answer: Path) -> None:
    """Write the sha256 of the weights, and which epochs were reported, to the file ``answer``."""
    reported: list[int] = []
    weights = training.run(checkpoint, on_epoch=lambda epoch, _: reported.append(epoch))
    answer.write_text(f"{weights} {reported}")
