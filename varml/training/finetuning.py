"""Training end to end: a recogniser that was trained on frozen features goes on with its backbones, from the pixels."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch

from varml.config.params import Params, Train
from varml.models.recognizer import Recognizer
from varml.models.video_network import VideoNetwork
from varml.training.augmented import AugmentedImages
from varml.training.checkpoint import Checkpoint
from varml.training.loop import EpochMetrics, train_network
from varml.training.unfreezing import layer_groups, unfreeze


def finetune(
    recognizer: Recognizer,
    source: AugmentedImages,
    params: Params,
    *,
    seed: int,
    on_epoch: Callable[[int, EpochMetrics], None],
    checkpoint: Checkpoint | None = None,
) -> VideoNetwork:
    """Return copies of ``recognizer`` and of its streams' backbones, trained together on the images of ``source``.

    The recogniser comes with its training on frozen features behind it: with a head that knows nothing, the first steps
    would pull the backbones anywhere. ``params.train.unfreeze`` says how much of the backbones is trained; raises what
    :func:`varml.training.loop.train_network` raises.
    """
    own = {stream: deepcopy(source.backbones[stream]) for stream in recognizer.streams}
    network = VideoNetwork(own, deepcopy(recognizer), params.features.grid_size)
    unfreeze(network, params.train.unfreeze)
    train = finetuning_values(params.train)
    train_network(
        network,
        source,
        torch.tensor(source.clips.labels),
        train,
        num_classes=len(source.clips.mirror),
        seed=seed,
        streams=recognizer.streams,
        parameter_groups=layer_groups(network, train),
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )
    return network


def finetuning_values(train: Train) -> Train:
    """Return ``train`` with the values of ``train.finetune`` in place of those for cached features."""
    return train.model_copy(update=train.finetune.model_dump(exclude={"layer_decay"}))
