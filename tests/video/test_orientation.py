"""A frame is shown as the display matrix of its container asks, in all eight ways."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from varml.video.orientation import Orientation, orientation_of

ONE = 1 << 16
# The four parts a, b, c, d of the matrix; what becomes of the picture [[1, 2, 3], [4, 5, 6]].
WAYS = [
    ((1, 0, 0, 1), [[1, 2, 3], [4, 5, 6]], 0, False),
    ((-1, 0, 0, -1), [[6, 5, 4], [3, 2, 1]], 180, False),
    ((0, 1, -1, 0), [[4, 1], [5, 2], [6, 3]], 270, False),
    ((0, -1, 1, 0), [[3, 6], [2, 5], [1, 4]], 90, False),
    ((-1, 0, 0, 1), [[3, 2, 1], [6, 5, 4]], 0, True),
    ((1, 0, 0, -1), [[4, 5, 6], [1, 2, 3]], 180, True),
    ((0, 1, 1, 0), [[1, 4], [2, 5], [3, 6]], 90, True),
    ((0, -1, -1, 0), [[6, 3], [5, 2], [4, 1]], 270, True),
]


def frame(a: int, b: int, c: int, d: int) -> SimpleNamespace:
    matrix = np.array([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30], np.int32)
    return SimpleNamespace(side_data={"DISPLAYMATRIX": matrix.tobytes()})


@pytest.mark.parametrize(("parts", "expected", "rotation_deg", "is_flip"), WAYS)
def test_every_way(parts: tuple[int, int, int, int], expected: list[list[int]], rotation_deg: int, is_flip: bool):
    orientation = orientation_of(frame(*parts))
    image = np.repeat(np.array([[1, 2, 3], [4, 5, 6]], np.uint8)[..., None], 3, axis=2)
    assert orientation.apply(image)[..., 0].tolist() == expected
    assert (orientation.rotation_deg, orientation.is_flip) == (rotation_deg, is_flip)


def test_a_turn_is_the_mirrored_image_turned_counter_clockwise():
    image = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    for parts, *_ in WAYS:
        orientation = orientation_of(frame(*parts))
        first = image[:, ::-1] if orientation.is_flip else image
        np.testing.assert_array_equal(orientation.apply(image), np.rot90(first, orientation.rotation_deg // 90))


def test_without_a_matrix_nothing_is_turned():
    assert orientation_of(SimpleNamespace(side_data={})) == Orientation()
