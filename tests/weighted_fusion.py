"""A late fusion whose weight is a buffer, for the tests of what fits it: the smallest that can be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from varml.models.fusion.base import Classifier, Fusion, Tokens, fusions

FUSION = "weighted_in_tests"


class Weighted(Fusion):
    """The weighted mean of both streams' probabilities, as logits."""

    streams = ("rgb", "flow")

    def __init__(self, *, width: int, num_classes: int, num_heads: int, dropout: float) -> None:
        super().__init__(width=width, num_classes=num_classes, num_heads=num_heads, dropout=dropout)
        self.classifiers = nn.ModuleDict({stream: Classifier(width, num_classes, dropout) for stream in self.streams})
        self.register_buffer("rgb_weight", torch.tensor(0.5))

    def forward(self, tokens: Tokens) -> Tensor:
        scores = self.stream_scores(tokens)
        weights = {"rgb": self.rgb_weight, "flow": 1 - self.rgb_weight}
        return torch.stack([scores[s] + weights[s].log() for s in self.streams]).logsumexp(0)

    def stream_scores(self, tokens: Tokens) -> dict[str, Tensor]:
        return {s: self.classifiers[s](tokens[s].mean(1)).log_softmax(-1) for s in self.streams}


@contextmanager
def register_weighted_fusion() -> Iterator[None]:
    """Have the fusion :data:`FUSION` registered while the block runs."""
    fusions.register(FUSION)(Weighted)
    try:
        yield
    finally:
        fusions._entries.pop(FUSION)
