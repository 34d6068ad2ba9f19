"""What a fusion is, and the classifier that all of them end in."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from varml.ground.registry import Registry

Tokens = dict[str, Tensor]  # stream to (B, T, W)


class Fusion(nn.Module):
    """Turns the tokens of the streams that it names into the logits of the classes."""

    streams: ClassVar[tuple[str, ...]]

    def __init__(self, *, width: int, num_classes: int, num_heads: int, dropout: float) -> None:
        super().__init__()

    def forward(self, tokens: Tokens) -> Tensor:
        """Return logits (B, K) of tokens (B, T, W); the streams may differ in T."""
        raise NotImplementedError(f"{type(self).__name__} must define forward")


fusions: Registry[type[Fusion]] = Registry("fusion", "varml.models.fusion")


class Classifier(nn.Sequential):
    """Normalisation, dropout and one linear layer: (B, width) to (B, num_classes)."""

    def __init__(self, width: int, num_classes: int, dropout: float) -> None:
        super().__init__(nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, num_classes))
