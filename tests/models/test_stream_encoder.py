"""The encoder of one stream: standardisation, pooling of the grid, projection, positions."""

from __future__ import annotations

from math import log
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from varml.models.stream_encoder import StreamEncoder

DIM, WIDTH, NUM_STEPS, NUM_CELLS = 6, 8, 5, 4
# As attention asks for it: none, over steps alone, over cells and steps.
ALONE = {"attends": False, "reads_cells": False}
STEPS = {"attends": True, "reads_cells": False}
CELLS = {"attends": True, "reads_cells": True}


def build(asks: dict[str, bool], **changes: int) -> StreamEncoder:
    torch.manual_seed(0)
    values: dict[str, Any] = {"dim": DIM, "num_steps": NUM_STEPS, "num_cells": NUM_CELLS, "width": WIDTH, **changes}
    return StreamEncoder(**values, **asks, dropout=0.5).eval()


def bare(dim: int, asks: dict[str, bool]) -> StreamEncoder:
    """Return an encoder whose tokens are the pooled, standardised features themselves."""
    encoder = build(asks, dim=dim, width=dim)
    nn.init.eye_(encoder.projection.weight)
    nn.init.zeros_(encoder.projection.bias)
    encoder.position = None
    return encoder


def random_cells() -> Tensor:
    return torch.randn(3, NUM_STEPS, NUM_CELLS, DIM, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("asks", "num_cells"), [(ALONE, 1), ({**CELLS, "attends": False}, 1), (STEPS, 1), (CELLS, NUM_CELLS)]
)
def test_there_is_one_token_per_step_or_per_cell(asks: dict[str, bool], num_cells: int) -> None:
    assert build(asks)(random_cells()).shape == (3, NUM_STEPS, num_cells, WIDTH)


def test_without_attention_the_mean_token_is_the_mean_over_time_and_grid() -> None:
    encoder, cells = build(ALONE), random_cells()
    expected = encoder.projection(cells.mean((1, 2)))
    assert torch.allclose(encoder(cells).mean((1, 2)), expected, atol=1e-6)


def test_without_attention_the_order_of_steps_does_not_matter() -> None:
    encoder, cells = build(ALONE), random_cells()
    assert torch.allclose(encoder(cells.flip(1)), encoder(cells).flip(1))


@pytest.mark.parametrize("asks", [STEPS, CELLS])
def test_with_attention_a_token_knows_its_step(asks: dict[str, bool]) -> None:
    encoder, cells = build(asks), random_cells()
    assert not torch.allclose(encoder(cells.flip(1)), encoder(cells).flip(1), atol=1e-3)


def test_where_cells_are_read_a_token_knows_its_cell() -> None:
    encoder, cells = build(CELLS), random_cells()
    assert not torch.allclose(encoder(cells.flip(2)), encoder(cells).flip(2), atol=1e-3)


def test_standardisation_by_hand() -> None:
    encoder = bare(2, ALONE)
    # Cells are constant: the first feature is 1 in one video and 3 in the other, the second is always 5.
    features = torch.tensor([[[[1.0, 5.0]] * 2], [[[3.0, 5.0]] * 2]])  # (2, 1, 2, 2)
    encoder.fit_standardisation(features)
    deviation = 1.0  # of 1, 1, 3, 3
    assert encoder.mean.tolist() == [2, 5]
    assert encoder.std.tolist() == pytest.approx([deviation, 1e-3])
    tokens = encoder(features)[:, 0, 0].tolist()
    assert tokens[0] == pytest.approx([-1 / deviation, 0])
    assert tokens[1] == pytest.approx([1 / deviation, 0])


def test_standardisation_reads_half_precision_without_loss() -> None:
    # The sum of 200 values of 1000 is beyond float16.
    encoder = bare(1, ALONE)
    encoder.fit_standardisation(torch.tensor([999.0, 1001.0] * 100).half().view(200, 1, 1, 1))
    assert encoder.mean.tolist() == [1000]


def test_a_query_of_zero_is_the_mean_over_the_grid() -> None:
    cells = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])
    assert bare(2, STEPS)(cells)[0, 0, 0].tolist() == pytest.approx([2, 4])


def test_a_query_weighs_the_cells_by_softmax() -> None:
    encoder = bare(1, STEPS)
    encoder.query.data.fill_(1.0)
    cells = torch.tensor([0.0, log(3)]).view(1, 1, 2, 1)
    assert encoder.grid_weights(cells)[0, 0].tolist() == pytest.approx([1 / 4, 3 / 4])
    assert encoder(cells).item() == pytest.approx(0.75 * log(3))


def test_standardising_after_pooling_is_standardising_every_cell_before() -> None:
    encoder, cells = bare(DIM, STEPS), random_cells() * 3 + 7
    encoder.query.data.normal_()
    encoder.fit_standardisation(cells)
    standard = (cells - cells.flatten(0, 2).mean(0)) / cells.flatten(0, 2).std(0, correction=0)
    weights = (standard @ encoder.query / DIM**0.5).softmax(-1)
    expected = (weights.unsqueeze(-1) * standard).sum(2, keepdim=True)
    assert torch.allclose(encoder(cells), expected, atol=1e-5)
