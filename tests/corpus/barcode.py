"""Frames that say their index at any size, after any codec: a grid of black and white cells over the whole image.

Six columns and four rows hold four guards in the corners, 16 bits of the index as a Gray code and four bits of
check. Cells are shares of the image, so the code is read at every scale and aspect.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

COLUMNS, ROWS = 6, 4
NUM_INDEX_BITS, NUM_CHECK_BITS = 16, 4
# A power of two is never a multiple of it: a single cell that flips does not go unnoticed.
CHECK_MODULUS = 13
WHITE, BLACK = 235, 20
LEAST_WHITE, MOST_BLACK = 160, 95
# Only the upper left guard is white: a frame that is turned or upside down has no barcode.
_GUARDS = {(0, 0): 1, (0, COLUMNS - 1): 0, (ROWS - 1, 0): 0, (ROWS - 1, COLUMNS - 1): 0}
_PLACES = [(y, x) for y in range(ROWS) for x in range(COLUMNS) if (y, x) not in _GUARDS]

# Frames of a few pixels hold no grid: their brightness tells the index.
LEVEL_START, LEVEL_STEP, NUM_LEVELS = 30, 20, 10


def barcode_frame(index: int, width: int, height: int) -> Image:
    """Return (height, width) uint8 gray that shows ``index``, 0 to 65,535."""
    cells = np.zeros((ROWS, COLUMNS), np.uint8)
    for (y, x), bit in [*_GUARDS.items(), *zip(_PLACES, _bits(index), strict=True)]:
        cells[y, x] = bit
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    return np.where(cells[rows][:, columns], WHITE, BLACK).astype(np.uint8)


def read_barcode(frame: Image) -> int | None:
    """Return the index that an upright (H, W, 3) or (H, W) frame shows, or None where it shows none."""
    gray = frame.mean(axis=-1) if frame.ndim == 3 else frame.astype(float)
    levels = np.array([[_middle(gray, y, x) for x in range(COLUMNS)] for y in range(ROWS)])
    if ((levels > MOST_BLACK) & (levels < LEAST_WHITE)).any():
        return None  # cells of two frames are mixed, or a cell is damaged
    cells = (levels >= LEAST_WHITE).astype(int)
    if any(cells[place] != bit for place, bit in _GUARDS.items()):
        return None
    bits = [int(cells[place]) for place in _PLACES]
    index = _from_gray(int("".join(map(str, bits[:NUM_INDEX_BITS])), 2))
    return index if bits == _bits(index) else None


def level_frame(index: int, width: int, height: int) -> Image:
    """Return (height, width) uint8 gray of one brightness that shows ``index``, 0 to 9."""
    return np.full((height, width), LEVEL_START + LEVEL_STEP * index, np.uint8)


def read_level(frame: Image) -> int | None:
    """Return the index that a frame of one brightness shows, or None where it shows none."""
    place = (float(frame.mean()) - LEVEL_START) / LEVEL_STEP
    index = round(place)
    return index if abs(place - index) < 0.3 and 0 <= index < NUM_LEVELS else None


def _bits(index: int) -> list[int]:
    gray = index ^ index >> 1
    check = 1 + gray % CHECK_MODULUS
    return [gray >> shift & 1 for shift in reversed(range(NUM_INDEX_BITS))] + [
        check >> shift & 1 for shift in reversed(range(NUM_CHECK_BITS))
    ]


def _from_gray(gray: int) -> int:
    index = 0
    while gray:
        index ^= gray
        gray >>= 1
    return index


def _middle(gray: npt.NDArray[np.float64], y: int, x: int) -> float:
    """Return the mean of the middle of a cell, a third of it in each direction and one pixel at least."""
    height, width = gray.shape
    top, left = (y + 1 / 3) * height / ROWS, (x + 1 / 3) * width / COLUMNS
    bottom, right = (y + 2 / 3) * height / ROWS, (x + 2 / 3) * width / COLUMNS
    return float(gray[int(top) : max(int(bottom), int(top) + 1), int(left) : max(int(right), int(left) + 1)].mean())
