"""A small network for images of 64 px as a backbone of a project, with weights that are the same each time."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from stored_project import stored_params
from tiny_model import TINY

from varml.config import Params
from varml.config.space import apply_values
from varml.ground.torchvision_shim import import_torchvision


def write_tiny_weights(file: Path) -> Path:
    """Write random weights of :data:`tiny_model.TINY`, with its classifier, and return their file."""
    import_torchvision()
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = timm.create_model(TINY, pretrained=False)
    save_file(network.state_dict(), file)
    return file


def tiny_params(weights: Path) -> Params:
    """Return the params of a stored project whose only backbone is the tiny one, flow adapted in two folds."""
    return apply_values(
        stored_params(),
        {
            "engine.num_workers": 1,
            "model.backbone": TINY,
            "search.space": {"train": {"mirror": {"choices": [True, False]}}},
            "search.num_folds": 2,
            "features.weights": {TINY: str(weights)},
            "features.adapt": "flow",
            "features.adaptation.num_epochs": 2,
            "features.adaptation.batch_size": 4,
        },
    )
