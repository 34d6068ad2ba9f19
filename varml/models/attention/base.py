"""What a kind of attention is: layers of softmax(QKᵀ/√d)V in which tokens of one stream look at each other.

Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from varml.ground.registry import Registry

MLP_RATIO = 2  # width of the layer in the middle of an MLP, of the width of its tokens


class AttentionKind(nn.Module):
    """``depth`` layers over tokens (B, T, G, W): T steps, each on G cells of the grid.

    A token knows its step and its cell: positions are added before. Where ``reads_cells`` is false a learned query
    has pooled the grid, and G is 1.
    """

    reads_cells: ClassVar[bool] = True

    def __init__(self, *, width: int, depth: int, num_heads: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(self.make_layer(width, num_heads) for _ in range(depth))

    def make_layer(self, width: int, num_heads: int) -> nn.Module:
        """Return one layer; a kind whose sequences are simple needs none of its own."""
        return nn.TransformerEncoderLayer(
            width,
            num_heads,
            MLP_RATIO * width,
            dropout=0.0,  # on the tokens alone: as good as in every layer, in three quarters of the time
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )

    def attend(self, tokens: Tensor) -> Tensor:
        """Return what all layers make of ``tokens``: sequences (N, L, W), unless the layers are the kind's own."""
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (B, T, G, W) of ``tokens`` (B, T, G, W); T and G may be any."""
        raise NotImplementedError(f"{type(self).__name__} must define forward")


attention_kinds: Registry[type[AttentionKind]] = Registry("attention kind", "varml.models.attention")
