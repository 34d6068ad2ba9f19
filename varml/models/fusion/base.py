"""What a fusion is, and the classifier that all of them end in."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from varml.errors import ModelError
from varml.ground.registry import Registry

Tokens = dict[str, Tensor]  # stream to (B, L, W)


class Fusion(nn.Module):
    """Turns the tokens of the streams that it names into the logits of the classes.

    ``shares_attention``: the streams' tokens look at each other in one stack of attention before they come here.
    ``reads_tokens``: it needs all tokens also where ``model.pooling`` is not the mean, and calls :meth:`pool` itself;
    other fusions then get one token for each stream, the pooled one, whose mean over tokens is itself.
    ``classifies_apart``: each stream is classified alone, so that none leans on the other and ``model.stream_dropout``
    takes none away; such a fusion has :meth:`stream_scores`.
    """

    streams: ClassVar[tuple[str, ...]]
    shares_attention: ClassVar[bool] = False
    reads_tokens: ClassVar[bool] = False
    classifies_apart: ClassVar[bool] = False

    def __init__(self, *, width: int, num_classes: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.poolings = nn.ModuleDict()  # stream to what pools its tokens; empty: their mean

    def forward(self, tokens: Tokens) -> Tensor:
        """Return logits (B, K) of tokens (B, L, W); the streams may differ in L."""
        raise NotImplementedError(f"{type(self).__name__} must define forward")

    def pool(self, stream: str, tokens: Tensor) -> Tensor:
        """Return one token (B, W) for the ``tokens`` (B, L, W) of a stream."""
        return self.poolings[stream](tokens) if stream in self.poolings else tokens.mean(1)

    def stream_scores(self, tokens: Tokens) -> dict[str, Tensor]:
        """Return what each stream says alone, stream to log-probabilities (B, K).

        Raises ModelError where the streams are not classified apart.
        """
        raise ModelError(f"{type(self).__name__} does not classify each stream; choose model.fusion: late")


fusions: Registry[type[Fusion]] = Registry("fusion", "varml.models.fusion")


class Classifier(nn.Sequential):
    """Normalisation, dropout and one linear layer: (B, width) to (B, num_classes)."""

    def __init__(self, width: int, num_classes: int, dropout: float) -> None:
        super().__init__(nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, num_classes))
