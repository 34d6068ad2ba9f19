"""Attentive pooling: a mean at first, and then a choice."""

from __future__ import annotations

from math import log

import pytest
import torch

from varml.models.pooling import AttentivePooling


def by_hand() -> AttentivePooling:
    """Return a pooling of tokens of width 2 whose queries, keys and values are what comes in."""
    pooling = AttentivePooling(width=2, num_heads=1)
    pooling.norm = torch.nn.Identity()
    pooling.attention.in_proj_weight.data = torch.eye(2).repeat(3, 1)
    pooling.attention.out_proj.weight.data = torch.eye(2)
    return pooling


def test_it_starts_as_the_mean() -> None:
    tokens = torch.tensor([[[1.0, 0.0], [3.0, 8.0]]])
    assert by_hand()(tokens)[0].tolist() == pytest.approx([2, 4])


def test_the_query_weighs_tokens_by_softmax() -> None:
    pooling = by_hand()
    pooling.query.data = torch.tensor([2**0.5, 0.0])  # the scores are divided by the root of the width
    tokens = torch.tensor([[[0.0, 1.0], [log(3), 5.0]]])  # weights 1/4 and 3/4
    assert pooling(tokens)[0].tolist() == pytest.approx([0.75 * log(3), 4], abs=1e-6)


def test_the_order_of_tokens_does_not_matter_and_their_number_may_be_any() -> None:
    torch.manual_seed(0)
    pooling = AttentivePooling(width=8, num_heads=2)
    torch.nn.init.normal_(pooling.query)
    for number in (1, 7):
        tokens = torch.randn(3, number, 8)
        assert pooling(tokens).shape == (3, 8)
        assert torch.allclose(pooling(tokens.flip(1)), pooling(tokens), atol=1e-6)
