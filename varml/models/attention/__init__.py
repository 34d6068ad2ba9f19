"""How the tokens of a stream look at each other: the registered kinds of attention, one file each."""

from varml.models.attention.base import AttentionKind, attention_kinds

__all__ = ["AttentionKind", "attention_kinds"]
