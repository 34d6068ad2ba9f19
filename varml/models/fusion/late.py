"""Late fusion: each stream is classified alone and the probabilities are averaged.

Simonyan and Zisserman, "Two-Stream Convolutional Networks for Action Recognition in Videos", 2014, arXiv:1406.2199.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from varml.models.fusion.base import Classifier, Fusion, Tokens, fusions


@fusions.register("late")
class Late(Fusion):
    """The mean of both streams' class probabilities, as logits."""

    streams = ("rgb", "flow")

    def __init__(self, *, width: int, num_classes: int, num_heads: int, dropout: float) -> None:
        super().__init__(width=width, num_classes=num_classes, num_heads=num_heads, dropout=dropout)
        self.classifiers = nn.ModuleDict({stream: Classifier(width, num_classes, dropout) for stream in self.streams})

    def forward(self, tokens: Tokens) -> Tensor:
        """Return logits (see :class:`Fusion`)."""
        scores = [self.classifiers[stream](tokens[stream].mean(1)).log_softmax(-1) for stream in self.streams]
        stacked = torch.stack(scores)  # (2, B, K)
        # log of the mean probability, without leaving logarithms
        return stacked.logsumexp(0) - torch.log(torch.tensor(float(len(scores))))
