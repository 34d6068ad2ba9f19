"""No fusion: one stream alone."""

from __future__ import annotations

from torch import Tensor

from varml.models.fusion.base import Classifier, Fusion, Tokens, fusions


class SingleStream(Fusion):
    """The mean token of the one stream, classified."""

    def __init__(self, *, width: int, num_classes: int, num_heads: int, dropout: float) -> None:
        super().__init__(width=width, num_classes=num_classes, num_heads=num_heads, dropout=dropout)
        self.classifier = Classifier(width, num_classes, dropout)

    def forward(self, tokens: Tokens) -> Tensor:
        """Return logits (see :class:`Fusion`)."""
        return self.classifier(tokens[self.streams[0]].mean(1))


@fusions.register("rgb")
class Rgb(SingleStream):
    """Appearance alone."""

    streams = ("rgb",)


@fusions.register("flow")
class Flow(SingleStream):
    """Motion alone."""

    streams = ("flow",)
