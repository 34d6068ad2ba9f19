"""Joint attention: every cell of every step looks at every other."""

from __future__ import annotations

from torch import Tensor

from varml.models.attention.base import AttentionKind, attention_kinds


@attention_kinds.register("joint")
class Joint(AttentionKind):
    """Self-attention over all T·G tokens at once; its cost grows with the square of their number."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (see :class:`AttentionKind`)."""
        return self.attend(tokens.flatten(1, 2)).view_as(tokens)
