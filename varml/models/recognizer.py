"""The whole model behind the backbone: an encoder for each stream that the fusion reads, attention, then the fusion."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from varml.config.params import Model as ModelParams
from varml.models.attention import AttentionKind, attention_kinds
from varml.models.fusion import fusions
from varml.models.pooling import make_pooling
from varml.models.stream_attention import SeparateAttention, SharedAttention
from varml.models.stream_dropout import StreamDropout
from varml.models.stream_encoder import StreamEncoder


class Recognizer(nn.Module):
    """Features of the streams in, logits out.

    ``num_steps``, ``num_cells`` and ``dim`` are T, G and D of the features (B, T, G, D) that it is made for; T may be
    another one later. Encoders exist only for the streams that the fusion reads.
    """

    def __init__(
        self, params: ModelParams, *, dim: int, num_steps: Mapping[str, int], num_cells: int, num_classes: int
    ) -> None:
        super().__init__()
        fusion = fusions[params.fusion]
        self.streams = fusion.streams
        self.encoders, separate = nn.ModuleDict(), SeparateAttention()
        for stream in self.streams:
            self.encoders[stream] = _encoder(params, dim=dim, num_steps=num_steps[stream], num_cells=num_cells)
            if not fusion.shares_attention:
                separate[stream] = _attention(params)
        self.attention = (
            SharedAttention(_attention(params), self.streams, params.width) if fusion.shares_attention else separate
        )
        loses_streams = params.stream_dropout and len(self.streams) > 1 and not fusion.classifies_apart
        self.stream_dropout = (
            StreamDropout(self.streams, params.width, params.stream_dropout) if loses_streams else nn.Identity()
        )
        heads = params.attention.num_heads
        self.fusion = fusion(width=params.width, num_classes=num_classes, num_heads=heads, dropout=params.dropout)
        for stream in self.streams:
            pooling = make_pooling(params.pooling, params.width, heads)
            if pooling is not None:
                self.fusion.poolings[stream] = pooling

    @property
    def reads_cells(self) -> bool:
        """Whether it tells the cells of the grid apart; else it says the same of features averaged over them."""
        return any(encoder.reads_cells for encoder in self.encoders.values())

    def fit_standardisation(self, features: Mapping[str, Tensor]) -> None:
        """Set each encoder's mean and deviation from the features of training, stream to (N, T, G, D)."""
        for stream in self.streams:
            self.encoders[stream].fit_standardisation(features[stream])  # type: ignore[operator]

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, K) of features, stream to (B, T, G, D)."""
        return self.fusion(self._tokens(features))

    def stream_scores(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what each stream says alone, stream to log-probabilities (B, K) of features as in :meth:`forward`.

        Raises ModelError where the fusion does not classify each stream.
        """
        return self.fusion.stream_scores(self._tokens(features))

    def _tokens(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tokens (B, L, W) of each stream, as the fusion wants them."""
        tokens = {stream: self.encoders[stream](features[stream]) for stream in self.streams}  # (B, T, G, W) each
        seen = self.attention(self.stream_dropout(tokens))
        flat = {stream: values.flatten(1, 2) for stream, values in seen.items()}
        if self.fusion.reads_tokens or not self.fusion.poolings:
            return flat
        return {stream: self.fusion.pool(stream, values)[:, None] for stream, values in flat.items()}


def _encoder(params: ModelParams, *, dim: int, num_steps: int, num_cells: int) -> StreamEncoder:
    return StreamEncoder(
        dim=dim,
        num_steps=num_steps,
        num_cells=num_cells,
        width=params.width,
        dropout=params.dropout,
        attends=params.attention.depth > 0 or params.pooling == "attentive",
        reads_cells=attention_kinds[params.attention.kind].reads_cells,
    )


def _attention(params: ModelParams) -> AttentionKind:
    kind = attention_kinds[params.attention.kind]
    return kind(width=params.width, depth=params.attention.depth, num_heads=params.attention.num_heads)
