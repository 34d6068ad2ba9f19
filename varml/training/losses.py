"""The loss of a training."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


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
