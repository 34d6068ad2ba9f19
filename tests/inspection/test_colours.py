"""Flow in colours: hues as the standard wheel has them, saturation in proportion, rest in white."""

from __future__ import annotations

import numpy as np
import pytest
from made import moving

from varml.inspection.colours import colour_wheel, flow_colours, full_colour_px

RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.mark.parametrize(
    ("x", "y", "colour"),
    [
        (4, 0, RED),
        (0, 4, (255, 229, 0)),  # yellow, nearly: the wheel has 55 colours
        (-4, 0, (0, 209, 255)),
        (0, -4, (88, 0, 255)),
        (0, 0, WHITE),
        (2, 0, (255, 127, 127)),
        (9, 0, RED),
    ],
)
def test_a_direction_has_the_colour_of_the_wheel_and_a_length_its_saturation(
    x: float, y: float, colour: tuple[int, int, int]
) -> None:
    images = flow_colours(moving(x, y)[:, 0], 4)
    assert images.shape == (3, 48, 64, 3)
    assert images.dtype == np.uint8
    assert np.abs(images.astype(int) - colour).max() <= 1


def test_the_longest_vector_of_a_batch_does_not_change_the_others() -> None:
    flow = np.concatenate([moving(1, 0)[:, 0], moving(0, 30)[:, 0]])
    np.testing.assert_array_equal(flow_colours(flow, 2)[:3], flow_colours(flow[:3], 2))


def test_full_colour_is_for_nearly_the_longest_and_for_no_noise() -> None:
    assert full_colour_px(moving(3, 4)) == 5.0
    assert full_colour_px(moving(0.01, 0)) == 0.5
    stray = moving(1.03, 0)
    stray[0, 0, 0, :5] = 200
    assert full_colour_px(stray) == 1.1


def test_the_wheel_shows_each_direction_from_its_middle() -> None:
    wheel = colour_wheel(101)
    assert wheel.shape == (101, 101, 3)
    assert tuple(wheel[0, 0]) == tuple(wheel[50, 50]) == WHITE
    right, down, left, up = wheel[50, -1], wheel[-1, 50], wheel[50, 0], wheel[0, 50]
    for colour, x, y in ((right, 1, 0), (down, 0, 1), (left, -1, 0), (up, 0, -1)):
        np.testing.assert_array_equal(colour, flow_colours(moving(x, y)[:, 0], 1)[0, 0, 0])
