"""Late fusion: each stream is classified alone and the probabilities are averaged.

Simonyan and Zisserman, "Two-Stream Convolutional Networks for Action Recognition in Videos", 2014, arXiv:1406.2199.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from varml.models.fusion.base import Classifier, Fusion, Tokens, fusions


@fusions.register("late")
class Late(Fusion):
    """The weighted mean of both streams' class probabilities, as logits.

    ``rgb_weight``, from 0 to 1, is what RGB counts; flow counts the rest. It is 0.5 unless it is set: training leaves
    it, for it would follow the stream that learns the training videos by heart.
    """

    streams = ("rgb", "flow")
    classifies_apart = True
    rgb_weight: Tensor

    def __init__(self, *, width: int, num_classes: int, num_heads: int, dropout: float) -> None:
        super().__init__(width=width, num_classes=num_classes, num_heads=num_heads, dropout=dropout)
        self.classifiers = nn.ModuleDict({stream: Classifier(width, num_classes, dropout) for stream in self.streams})
        self.register_buffer("rgb_weight", torch.tensor(0.5))

    def forward(self, tokens: Tokens) -> Tensor:
        """Return logits (see :class:`Fusion`)."""
        scores = self.stream_scores(tokens)
        stacked = torch.stack([scores[stream] for stream in self.streams])  # (2, B, K)
        weights = torch.stack([self.rgb_weight, 1 - self.rgb_weight])
        # log of the mean probability, without leaving logarithms
        return (stacked + weights.log()[:, None, None]).logsumexp(0)

    def stream_scores(self, tokens: Tokens) -> dict[str, Tensor]:
        """Return what each stream says alone (see :class:`Fusion`)."""
        return {stream: self.classifiers[stream](tokens[stream].mean(1)).log_softmax(-1) for stream in self.streams}
