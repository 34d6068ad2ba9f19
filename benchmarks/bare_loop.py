"""The training loop that one writes by hand: what torch's tutorials show, without checks, checkpoints or processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from varml.config.params import Train

RandomBatch = tuple[dict[str, Tensor], Tensor]


def bare_loop(network: nn.Module, epochs: Iterator[Iterable[RandomBatch]], num_steps: int, train: Train) -> float:
    """Train ``network`` for as many epochs as there are; return the loss of the last step.

    One optimiser, one schedule, clipping and label smoothing as :mod:`varml.training.loop` has them.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=train.lr, weight_decay=train.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, train.lr, total_steps=num_steps, pct_start=0.1)
    loss = torch.zeros(())
    for batches in epochs:
        network.train()
        for inputs, targets in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(network(inputs), targets, label_smoothing=train.label_smoothing)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), train.max_grad_norm)
            optimizer.step()
            schedule.step()
    return float(loss.detach())
