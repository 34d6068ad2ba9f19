"""Attention of the streams: a stack of layers for each of them, or one that the tokens of all share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from varml.models.attention import AttentionKind

GridTokens = dict[str, Tensor]  # stream to (B, T, G, W)


class SeparateAttention(nn.ModuleDict):
    """Each stream's tokens look at each other in layers of their own."""

    def forward(self, tokens: GridTokens) -> GridTokens:
        """Return tokens of the shapes that came in."""
        return {stream: self[stream](values) for stream, values in tokens.items()}


class SharedAttention(nn.Module):
    """The tokens of all streams, one stream's steps after the other's, look at each other in the same layers.

    A learned vector for each stream tells whose a token is.
    """

    def __init__(self, layers: AttentionKind, streams: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.layers = layers
        self.streams = nn.ParameterDict({s: nn.init.normal_(torch.empty(width), std=1.0) for s in streams})

    def forward(self, tokens: GridTokens) -> GridTokens:
        """Return tokens of the shapes that came in."""
        marked = [values + self.streams[stream] for stream, values in tokens.items()]
        seen = self.layers(torch.cat(marked, dim=1))  # (B, T of all streams, G, W)
        parts = seen.split([values.shape[1] for values in marked], dim=1)
        return dict(zip(tokens, parts, strict=True))
