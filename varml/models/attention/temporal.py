"""Attention over time: each step is one token, its grid pooled by a learned query."""

from __future__ import annotations

from typing import ClassVar

from varml.models.attention.base import attention_kinds
from varml.models.attention.joint import Joint


@attention_kinds.register("temporal")
class Temporal(Joint):
    """Self-attention over T tokens."""

    reads_cells: ClassVar[bool] = False
