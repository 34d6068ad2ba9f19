"""Training end to end: a recogniser that was trained on frozen features goes on with its backbones, from the pixels."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from varml.config.params import Params, Train
from varml.models.recognizer import Recognizer
from varml.models.video_network import VideoNetwork
from varml.training.augmented import AugmentedImages
from varml.training.batches import BatchSource
from varml.training.checkpoint import Checkpoint
from varml.training.loop import OnEpoch, train_network
from varml.training.unfreezing import layer_groups, unfreeze


def finetune(
    recognizer: Recognizer,
    source: AugmentedImages,
    params: Params,
    *,
    seed: int,
    on_epoch: OnEpoch,
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
    labels, num_classes = torch.tensor(source.clips.labels), len(source.clips.mirror)
    train_end_to_end(network, source, labels, num_classes, params.train, seed, on_epoch, checkpoint)
    return network


def train_end_to_end(
    network: VideoNetwork,
    source: BatchSource,
    labels: Tensor,
    num_classes: int,
    train: Train,
    seed: int,
    on_epoch: OnEpoch,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train what requires gradients of ``network`` in place, with the values of ``train.finetune``.

    ``labels`` (N,) int64 are the classes of the videos that ``source`` gives by their positions.
    """
    values = finetuning_values(train)
    train_network(
        network,
        source,
        labels,
        values,
        num_classes=num_classes,
        seed=seed,
        streams=network.recognizer.streams,
        parameter_groups=layer_groups(network, values),
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def finetuning_values(train: Train) -> Train:
    """Return ``train`` with the values of ``train.finetune`` in place of those for cached features."""
    return train.model_copy(update=train.finetune.model_dump(exclude={"layer_decay"}))
