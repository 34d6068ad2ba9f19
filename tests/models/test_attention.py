"""The encoder of one stream: standardisation, pooling of the grid, order of the steps."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import Tensor, nn

from varml.models.attention import StreamEncoder

DIM, WIDTH, NUM_STEPS = 6, 8, 5


def build(depth: int, **changes: int) -> StreamEncoder:
    torch.manual_seed(0)
    values = {"dim": DIM, "num_steps": NUM_STEPS, "width": WIDTH, "num_heads": 2} | changes
    return StreamEncoder(**values, depth=depth, dropout=0.5).eval()


def bare(dim: int, depth: int) -> StreamEncoder:
    """Return an encoder whose tokens are the pooled, standardised features themselves."""
    encoder = build(depth, dim=dim, width=dim, num_steps=1, num_heads=1)
    nn.init.eye_(encoder.projection.weight)
    nn.init.zeros_(encoder.projection.bias)
    if encoder.position is not None:
        nn.init.zeros_(encoder.position)
    encoder.layers = nn.ModuleList()
    return encoder


def random_cells() -> Tensor:
    return torch.randn(3, NUM_STEPS, 4, DIM, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_there_is_one_token_per_step(depth: int) -> None:
    assert build(depth)(random_cells()).shape == (3, NUM_STEPS, WIDTH)


def test_without_depth_the_mean_token_is_the_mean_over_time_and_grid() -> None:
    encoder, cells = build(0), random_cells()
    expected = encoder.projection(cells.mean((1, 2)))
    assert torch.allclose(encoder(cells).mean(1), expected, atol=1e-6)


def test_without_depth_the_order_of_steps_does_not_matter() -> None:
    encoder, cells = build(0), random_cells()
    assert torch.allclose(encoder(cells.flip(1)), encoder(cells).flip(1))
    assert torch.allclose(encoder(cells.flip(1)).mean(1), encoder(cells).mean(1), atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2])
def test_with_depth_the_order_of_steps_matters(depth: int) -> None:
    encoder, cells = build(depth), random_cells()
    assert not torch.allclose(encoder(cells.flip(1)).mean(1), encoder(cells).mean(1), atol=1e-3)


def test_with_depth_each_step_sees_every_other() -> None:
    encoder, cells = build(1), random_cells()
    changed = cells.clone()
    changed[:, 0] += 1
    assert (encoder(changed) - encoder(cells)).abs().sum(-1).gt(1e-4).all()


def test_standardisation_by_hand() -> None:
    encoder = bare(dim=2, depth=0)
    # Cells are constant: the first feature is 1 in one video and 3 in the other, the second is always 5.
    features = torch.tensor([[[[1.0, 5.0]] * 2], [[[3.0, 5.0]] * 2]])  # (2, 1, 2, 2)
    encoder.fit_standardisation(features)
    deviation = 1.0  # of 1, 1, 3, 3
    assert encoder.mean.tolist() == [2, 5]
    assert encoder.std.tolist() == pytest.approx([deviation, 1e-3])
    tokens = encoder(features)[:, 0].tolist()
    assert tokens[0] == pytest.approx([-1 / deviation, 0])
    assert tokens[1] == pytest.approx([1 / deviation, 0])


def test_standardisation_reads_half_precision_without_loss() -> None:
    # The sum of 200 values of 1000 is beyond float16.
    encoder = bare(dim=1, depth=0)
    encoder.fit_standardisation(torch.tensor([999.0, 1001.0] * 100).half().view(200, 1, 1, 1))
    assert encoder.mean.tolist() == [1000]


def test_a_query_of_zero_is_the_mean_over_the_grid() -> None:
    encoder = bare(dim=2, depth=1)
    cells = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])
    assert encoder(cells)[0, 0].tolist() == pytest.approx([2, 4])


def test_a_query_weighs_the_cells_by_softmax() -> None:
    encoder = bare(dim=1, depth=1)
    encoder.query.data.fill_(1.0)
    cells = torch.tensor([0.0, log(3)]).view(1, 1, 2, 1)  # weights 1/4 and 3/4
    assert encoder(cells).item() == pytest.approx(0.75 * log(3))


def test_standardising_after_pooling_is_standardising_every_cell_before() -> None:
    encoder, cells = bare(dim=DIM, depth=1), random_cells()[:, :1] * 3 + 7
    encoder.query.data.normal_()
    encoder.fit_standardisation(cells)
    standard = (cells - cells.flatten(0, 2).mean(0)) / cells.flatten(0, 2).std(0, correction=0)
    weights = (standard @ encoder.query / DIM**0.5).softmax(-1)
    expected = (weights.unsqueeze(-1) * standard).sum(2)
    assert torch.allclose(encoder(cells), expected, atol=1e-5)
