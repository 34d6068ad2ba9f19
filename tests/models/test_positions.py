"""Positions of tokens: exact for the steps that they were learned for, linear in time for others."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from varml.models.positions import Positions, at_times

RAMP = torch.tensor([[0.0], [1.0], [2.0], [3.0]])


def test_as_many_steps_as_were_learned_are_exact() -> None:
    positions = torch.randn(5, 3)
    assert at_times(positions, 5) is positions


@pytest.mark.parametrize(
    ("num_steps", "expected"),
    [
        (2, [0.5, 2.5]),  # the middles of halves lie between the middles of quarters
        (8, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]),  # before the first middle and after the last there is no more
        (1, [1.5]),
    ],
)
def test_other_steps_are_read_between_the_middles_of_slices(num_steps: int, expected: list[float]) -> None:
    assert at_times(RAMP, num_steps).flatten().tolist() == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.integers(1, 30))
def test_read_positions_lie_between_learned_ones_in_the_order_of_time(num_learned: int, num_steps: int) -> None:
    ramp = torch.arange(float(num_learned))[:, None]
    read = at_times(ramp, num_steps).flatten()
    assert len(read) == num_steps
    assert (read.diff() >= 0).all()
    assert read.min() >= 0
    assert read.max() <= num_learned - 1
    # Turned in time they are read in turn.
    assert torch.allclose(at_times(ramp.flip(0), num_steps).flatten(), read.flip(0), atol=1e-5)


def test_a_token_gets_its_step_and_its_cell() -> None:
    positions = Positions(num_steps=2, num_cells=3, width=1)
    positions.time.data = torch.tensor([[10.0], [20.0]])
    positions.cell.data = torch.tensor([[1.0], [2.0], [3.0]])
    assert positions(torch.zeros(1, 2, 3, 1))[0, ..., 0].tolist() == [[11, 12, 13], [21, 22, 23]]
    assert positions(torch.zeros(1, 4, 3, 1))[0, :, 0, 0].tolist() == pytest.approx([11, 13.5, 18.5, 21])


def test_one_cell_needs_no_position() -> None:
    assert set(Positions(num_steps=2, num_cells=1, width=4).state_dict()) == {"time"}


def test_positions_are_as_large_as_tokens() -> None:
    torch.manual_seed(0)
    for values in Positions(num_steps=50, num_cells=50, width=50).parameters():
        assert values.std().item() == pytest.approx(1, abs=0.1)
