"""Compensation of light, before frames are stored: what the lamp and the camera did is taken out as far as can be told.

``gray_world`` makes the mean of all channels equal over the clip (Buchsbaum, "A spatial processor model for object
colour perception", 1980). ``clahe`` equalises brightness tile by tile, with contrast limited (Zuiderveld, "Contrast
limited adaptive histogram equalization", 1994), and leaves hues alone. Both depend on nothing but the frames.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from varml.config.params import Illumination
from varml.video.reader import Frames

CONTRAST_LIMIT = 2.0
TILES_A_SIDE = 8
MAX_GAIN = 4.0


def compensate(frames: Frames, method: Illumination) -> Frames:
    """Return ``frames``, (..., H, W, 3) uint8 RGB of one clip, in compensated light."""
    return _METHODS[method](frames)


def gray_world(frames: Frames) -> Frames:
    """Return ``frames`` with each channel scaled, by one factor for the clip, to the mean of all three.

    One factor for all frames keeps the flow between them free of steps in brightness. What comes out over 255 is 255;
    a channel that is black everywhere stays black. No factor is over 4 or under a quarter: in red light the noise of
    the other channels would become colours.
    """
    means = frames.reshape(-1, 3).mean(axis=0)
    gains = np.divide(means.mean(), means, out=np.ones(3), where=means > 0).clip(1 / MAX_GAIN, MAX_GAIN)
    table = np.rint(np.clip(np.arange(256)[:, None] * gains, 0, 255)).astype(np.uint8)  # (256, 3)
    return table[frames, np.arange(3)]


def clahe(frames: Frames) -> Frames:
    """Return ``frames`` with the lightness L of each, in CIE L*a*b*, equalised in 8 x 8 tiles."""
    flat = frames.reshape(-1, *frames.shape[-3:])
    return np.stack([_equalised(frame) for frame in flat]).reshape(frames.shape)


def _equalised(frame: Frames) -> Frames:
    lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)
    equaliser = cv2.createCLAHE(CONTRAST_LIMIT, (TILES_A_SIDE, TILES_A_SIDE))
    lab[..., 0] = equaliser.apply(np.ascontiguousarray(lab[..., 0]))
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


_METHODS: dict[Illumination, Callable[[Frames], Frames]] = {
    "none": lambda frames: frames,
    "clahe": clahe,
    "gray_world": gray_world,
}
