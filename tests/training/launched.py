"""What a launcher runs in each process: the trainings of CASES; the first process writes what came out.

``python -m torch.distributed.run --nproc-per-node 2 launched.py FILE``, ``fabric run --devices 2 launched.py FILE``, or
without a launcher.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from tiny_network import NUM_CLASSES, TinySource, make_network

from varml.config.params import Train
from varml.training.checkpoint import Checkpoint
from varml.training.loop import train_network

# Batches of 12: (12, 8); (12, 11); (12, 12, 1), whose last one leaves nothing for the second process.
CASES: dict[str, dict[str, Any]] = {
    "even": {"num_videos": 20},
    "uneven": {"num_videos": 23},
    "one left": {"num_videos": 25},
    "weights": {"num_videos": 23, "balance": "weights"},
    "sampler": {"num_videos": 23, "balance": "sampler"},
    "shares of classes": {"num_videos": 23, "shares": True},
    "average": {"num_videos": 23, "ema": 0.5},
}


def train_case(
    num_videos: int, shares: bool = False, dropout: float = 0.0, checkpoint: Checkpoint | None = None, **values: Any
) -> dict[str, Any]:
    """Return the loss of each epoch and the weights that a training gives."""
    train = Train(
        num_epochs=3, batch_size=12, lr=1e-2, weight_decay=0.05, label_smoothing=0.1, augment=0,
        **{"balance": "none", "precision": "float32"} | values,
    )  # fmt: skip
    source, losses = TinySource(num_videos, shares=shares), []
    labels = source.labels.clamp_max(1)  # classes of unequal size
    source.labels = labels
    network = train_network(
        make_network(dropout, normalise=False), source, labels, train, num_classes=NUM_CLASSES, seed=0,
        streams=("rgb",), on_epoch=lambda _, metrics: losses.append(metrics["train_loss"]), checkpoint=checkpoint,
    )  # fmt: skip
    return {"losses": losses, "weights": network.state_dict()}


def main(file: Path) -> None:
    """Train each case, and a case with a checkpoint twice: the second begins where the first has ended."""
    results = {name: train_case(**case) for name, case in CASES.items()}
    checkpoint = Checkpoint(file.with_suffix(".checkpoint"), "key")
    for name in ("first", "resumed"):
        results[name] = train_case(23, dropout=0.3, checkpoint=checkpoint)
    results["auto"] = train_case(23, precision="auto")
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        results["num_processes"] = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
        torch.save(results, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
