"""How a container asks a frame to be shown: turned by quarters, mirrored, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Orientation:
    """Swap the axes first, then mirror."""

    transposed: bool = False
    mirrored: bool = False  # left and right
    upside_down: bool = False

    @property
    def is_flip(self) -> bool:
        """Whether a mirror image is shown, turned or not."""
        return self.transposed ^ self.mirrored ^ self.upside_down

    @property
    def rotation_deg(self) -> int:
        """Return by how much the image is turned counter-clockwise, after a mirror where it is a flip."""
        if not self.transposed:
            return 180 if self.upside_down else 0
        return 90 if self.upside_down ^ self.is_flip else 270

    def apply(self, image: Image) -> Image:
        """Return ``image`` (H, W, 3) as it is to be shown, (W, H, 3) where it is transposed."""
        image = image.transpose(1, 0, 2) if self.transposed else image
        return image[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]


def orientation_of(frame: Any) -> Orientation:
    """Return the orientation of an ``av.VideoFrame``; angles between are taken to the nearest quarter.

    The display matrix [[a, b], [c, d]] takes the pixel (x, y) to (a x + c y, b x + d y); see ISO/IEC 14496-12.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5]
    if abs(int(b)) > abs(int(a)):
        return Orientation(transposed=True, mirrored=bool(c < 0), upside_down=bool(b < 0))
    return Orientation(mirrored=bool(a < 0), upside_down=bool(d < 0))
