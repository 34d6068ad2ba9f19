"""The sheet: its size, a column for each segment, colours and arrows that point where things go."""

from __future__ import annotations

import io

import numpy as np
import pytest
from made import inspection, moving, moving_point
from matplotlib.image import imread

from varml.inspection.inspection import Inspection
from varml.inspection.sheet import GAP_PX, LEGEND_PX, MAX_COLUMNS, TILE_PX, draw_sheet, shown_segments

ARROW = (255, 230, 0)
ROW_PX = 3 * TILE_PX // 4  # of frames of 64 x 48 px
Image = np.ndarray


def drawn(made: Inspection) -> Image:
    """Return the sheet as (H, W, 3) uint8."""
    return (imread(io.BytesIO(draw_sheet(made)))[..., :3] * 255).round().astype(np.uint8)


def arrows_of(image: Image) -> Image:
    """Return where the last row of a sheet has the colour of arrows."""
    return np.abs(image[-ROW_PX - GAP_PX :, :-LEGEND_PX].astype(int) - ARROW).max(axis=-1) < 60


def arrow_box(made: Inspection) -> tuple[int, int, int, int]:
    """Return the first and last row and column of the arrows of a sheet, outside the legend."""
    rows, columns = np.nonzero(arrows_of(drawn(made)))
    return rows.min(), rows.max(), columns.min(), columns.max()


def share_of(image: Image, colour: tuple[int, int, int]) -> float:
    return float((np.abs(image.astype(int) - colour).max(axis=-1) < 12).mean())


def test_a_column_is_added_for_each_segment() -> None:
    one, three = drawn(inspection(moving(1, 0, 1))), drawn(inspection(moving(1, 0, 3)))
    assert three.shape[1] - one.shape[1] == 2 * (TILE_PX + GAP_PX)
    assert 3 * ROW_PX < three.shape[0] < 3 * ROW_PX + 120


def test_of_many_segments_some_are_shown_from_the_first_to_the_last() -> None:
    assert shown_segments(3) == [0, 1, 2]
    many = shown_segments(256)
    assert len(many) == MAX_COLUMNS
    assert (many[0], many[-1]) == (0, 255)
    assert max(np.diff(many)) - min(np.diff(many)) <= 1
    twelve, all_of_them = drawn(inspection(moving(1, 0, 12))), drawn(inspection(moving(1, 0, 200)))
    assert twelve.shape == all_of_them.shape


def test_motion_to_the_right_is_red_and_has_arrows_and_rest_is_white_and_has_none() -> None:
    moved, still = (drawn(inspection(moving(x, 0))) for x in (3, 0))
    # One row of three is the colours.
    assert share_of(moved[:, :-LEGEND_PX], (255, 0, 0)) > 0.2
    assert share_of(still[:, :-LEGEND_PX], (255, 0, 0)) == 0
    assert arrows_of(moved).mean() > 0.01
    assert not arrows_of(still).any()


def test_an_arrow_points_where_the_pixel_goes() -> None:
    right, left, down, up = (arrow_box(inspection(moving_point(*to))) for to in ((4, 0), (-4, 0), (0, 4), (0, -4)))
    top, bottom, first, last = right
    assert last - first > bottom - top
    # All start from the same points.
    assert right[3] > left[3]
    assert right[2] > left[2]
    assert down[1] > up[1]
    assert down[0] > up[0]


def test_the_arrows_of_half_the_motion_are_half_as_long() -> None:
    made = inspection(np.concatenate([moving_point(4, 0), moving_point(2, 0)]))
    arrows = arrows_of(drawn(made))
    _, columns = np.nonzero(arrows)
    middle = arrows.shape[1] // 2
    whole, half = (np.ptp(side) for side in (columns[columns < middle], columns[columns >= middle]))
    spread = 4 * TILE_PX / 64  # the distance of two arrows, which both have
    assert whole - spread == pytest.approx(2 * (half - spread), abs=6)


@pytest.mark.parametrize("size", [(1, 1), (2000, 32), (33, 4000), (47, 81)])
def test_frames_of_any_size_fit(size: tuple[int, int]) -> None:
    image = drawn(inspection(moving(1, 0, 2, size)))
    assert image.shape[0] < 1000
    assert image.shape[1] < 1000


@pytest.mark.parametrize("name", ["a $x^{$ b.mp4", "视频.mp4", "n" * 255, r"\xff.mp4", "two  words.mp4"])
@pytest.mark.filterwarnings("error")
def test_any_name_can_stand_above(name: str) -> None:
    assert drawn(inspection(moving(1, 0, 1), name=name)).shape[0] > 3 * ROW_PX


def test_equal_inspections_give_equal_bytes() -> None:
    assert draw_sheet(inspection(moving(1, 0))) == draw_sheet(inspection(moving(1, 0)))
