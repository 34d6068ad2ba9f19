"""The whole model behind the backbone: an encoder for each stream that the fusion reads, then the fusion."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from varml.config.params import Model as ModelParams
from varml.models.attention import StreamEncoder
from varml.models.fusion import fusions


class Recognizer(nn.Module):
    """Features of the streams in, logits out.

    ``num_steps`` and ``dim`` are T and D of the features (B, T, G, D) that it will be given. Encoders exist only
    for the streams that the fusion reads.
    """

    def __init__(self, params: ModelParams, *, dim: int, num_steps: Mapping[str, int], num_classes: int) -> None:
        super().__init__()
        heads, dropout = params.attention.num_heads, params.dropout
        fusion = fusions[params.fusion]
        self.streams = fusion.streams
        self.encoders = nn.ModuleDict(
            {
                stream: StreamEncoder(
                    dim=dim, num_steps=num_steps[stream], width=params.width,
                    depth=params.attention.depth, num_heads=heads, dropout=dropout,
                )
                for stream in self.streams
            }
        )  # fmt: skip
        self.fusion = fusion(width=params.width, num_classes=num_classes, num_heads=heads, dropout=dropout)

    def fit_standardisation(self, features: Mapping[str, Tensor]) -> None:
        """Set each encoder's mean and deviation from the features of training, stream to (N, T, G, D)."""
        for stream in self.streams:
            self.encoders[stream].fit_standardisation(features[stream])  # type: ignore[operator]

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, K) of features, stream to (B, T, G, D)."""
        return self.fusion(self._tokens(features))

    def stream_scores(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what each stream says alone, stream to log-probabilities (B, K), of a fusion that can tell."""
        return self.fusion.stream_scores(self._tokens(features))  # type: ignore[operator]

    def _tokens(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {s: self.encoders[s](features[s]) for s in self.streams}
