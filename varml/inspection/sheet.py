"""The sheet of an inspection: a column for each segment, with its frame, its flow in colours and its flow as arrows."""

from __future__ import annotations

import io
import textwrap
import warnings
from typing import Any

import numpy as np

from varml.flow.estimator import Flow
from varml.inspection.colours import colour_wheel, flow_colours
from varml.inspection.inspection import Inspection
from varml.video.frames import middle_of
from varml.video.reader import Frames

MAX_COLUMNS = 12
DPI = 100
TILE_PX = 240  # the longer side of a picture
MIN_TILE_PX = (100, 130)  # what the words above and beside it need
GAP_PX, LINE_PX, LEGEND_PX, WHEEL_PX = 8, 16, 190, 84
_CHARACTER_PX = 6.6  # of the title, in the mean
_FONT_SIZE = 8
# Across the short side, and at most along the long side.
NUM_ARROWS = (12, 24)
ARROW_REACH = 1.5  # of the longest, in distances between arrows
# Shorter arrows are blots that hide the picture.
MIN_ARROW = 0.12  # of the longest
_ARROW_COLOUR = "#ffe600"


def draw_sheet(inspection: Inspection) -> bytes:
    """Return a png; equal inspections give equal bytes.

    Of more than 12 segments every so many are shown. The flow is that from the shown frame, the middle one of
    its segment, to the next.
    """
    return _Sheet(inspection).png()


def shown_segments(num_segments: int) -> list[int]:
    """Return which segments have a column."""
    return sorted({int(place) for place in np.linspace(0, num_segments - 1, MAX_COLUMNS).round()})


class _Sheet:
    """One figure, laid out in pixels from its top left."""

    def __init__(self, inspection: Inspection) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._inspection = inspection
        self._segments = shown_segments(len(inspection.frames))
        self._tile = _tile_size(*inspection.frames.shape[3:1:-1])
        self._cell = tuple(max(pair) + GAP_PX for pair in zip(self._tile, MIN_TILE_PX, strict=True))
        self._width = len(self._segments) * self._cell[0] + LEGEND_PX + GAP_PX
        self._title = _title(inspection, self._segments, self._width)
        self._top = GAP_PX + LINE_PX * (len(self._title) + 2)
        self._height = self._top + 3 * self._cell[1]
        self._figure = Figure(figsize=(self._width / DPI, self._height / DPI), dpi=DPI)
        FigureCanvasAgg(self._figure)

    def png(self) -> bytes:
        """Return the drawn figure."""
        self._write(GAP_PX, GAP_PX, "\n".join(self._title))
        middle = middle_of(self._inspection.frames.shape[1])
        frames = self._inspection.frames[self._segments, middle]
        flow = self._inspection.flow[self._segments, middle]
        colours = flow_colours(flow, self._inspection.full_px)
        for column, segment in enumerate(self._segments):
            self._write(GAP_PX + column * self._cell[0], self._top - 2 * LINE_PX, self._heading(segment))
            self._tile_axes(column, 0).imshow(frames[column])
            self._tile_axes(column, 1).imshow(colours[column])
            arrows = _draw_arrows(self._tile_axes(column, 2), frames[column], flow[column], self._inspection.full_px)
        self._legend(arrows)
        return self._bytes()

    def _heading(self, segment: int) -> str:
        first, last = self._inspection.times_sec[segment, [0, -1]]
        return f"segment {segment + 1}\n{first:.2f} to {last:.2f} s"

    def _legend(self, arrows: Any) -> None:
        left, full_px = GAP_PX + len(self._segments) * self._cell[0], self._inspection.full_px
        height, width = self._inspection.frames.shape[2:4]
        rows = [self._top + row * self._cell[1] for row in range(3)]
        self._write(left, rows[0], f"stored frame, {width} x {height} px,\nthe middle one of its segment")
        self._write(left, rows[1], f"flow to the next frame\nwhite: rest\nrim: {full_px:g} px a step, or more")
        self._axes(left, rows[1] + 3 * LINE_PX, (WHEEL_PX, WHEEL_PX - GAP_PX)).imshow(colour_wheel(2 * WHEEL_PX))
        self._write(left, rows[2], f"the same flow as arrows\nof this length: {full_px:g} px a step")
        place = {"coordinates": "figure", "labelpos": "E"}
        x, y = (left + LEGEND_PX / 8) / self._width, 1 - (rows[2] + 3 * LINE_PX) / self._height
        arrows.axes.quiverkey(arrows, x, y, full_px, "", **place)

    def _tile_axes(self, column: int, row: int) -> Any:
        left, top = GAP_PX + column * self._cell[0], self._top + row * self._cell[1]
        return self._axes(left, top, self._tile)

    def _axes(self, left: float, top: float, size: tuple[int, int]) -> Any:
        width, height = size
        bottom = self._height - top - height
        place = (left / self._width, bottom / self._height, width / self._width, height / self._height)
        axes = self._figure.add_axes(place)
        axes.axis("off")
        return axes

    def _write(self, left: float, top: float, text: str) -> None:
        x, y = left / self._width, 1 - top / self._height
        # A name is shown as it is: a dollar sign begins no formula.
        self._figure.text(x, y, text, fontsize=_FONT_SIZE, va="top", parse_math=False)

    def _bytes(self) -> bytes:
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            # A name may hold letters that the font has not; they are drawn as boxes.
            warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
            self._figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()


def _tile_size(width: int, height: int) -> tuple[int, int]:
    factor = TILE_PX / max(width, height)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def _title(inspection: Inspection, shown: list[int], width_px: int) -> list[str]:
    num_segments = len(inspection.frames)
    some = "" if len(shown) == num_segments else f" ({len(shown)} are shown)"
    columns = int(width_px / _CHARACTER_PX)
    return [*textwrap.wrap(inspection.name, columns), *textwrap.wrap(inspection.notes + some, columns)]


def _draw_arrows(axes: Any, frame: Frames, flow: Flow, full_px: float) -> Any:
    """Draw the flow (H, W, 2) px over its frame, and return the arrows."""
    axes.imshow(frame)
    height, width = frame.shape[:2]
    spacing = max(round(min(height, width) / NUM_ARROWS[0]), round(max(height, width) / NUM_ARROWS[1]), 1)
    y, x = (np.arange(min(spacing, side) // 2, side, spacing) for side in (height, width))
    u, v = np.moveaxis(flow[np.ix_(y, x)], -1, 0)
    long_enough = np.hypot(u, v) >= MIN_ARROW * full_px
    shape = {"width": 0.006, "headwidth": 3.5, "headlength": 4, "minlength": 0, "color": _ARROW_COLOUR}
    outline = {"edgecolor": "black", "linewidth": 0.25}
    columns, rows = (grid[long_enough] for grid in np.meshgrid(x, y))
    return axes.quiver(
        columns,
        rows,
        u[long_enough],
        v[long_enough],
        angles="xy",
        scale_units="xy",
        scale=full_px / (ARROW_REACH * spacing),
        **shape,
        **outline,
    )
