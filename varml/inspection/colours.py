"""Flow in the standard colours: hue is the direction, saturation the length, white is rest.

Baker et al., "A Database and Evaluation Methodology for Optical Flow", 2011; torchvision draws it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from varml.flow.estimator import Flow
from varml.ground.torchvision_shim import import_torchvision

Images = npt.NDArray[np.uint8]  # (..., H, W, 3), RGB
# A few stray vectors must not make all others pale.
PERCENTILE = 99.5
# Shorter motion is mostly noise; in a video at rest it would be drawn as if it were much.
MIN_FULL_PX = 0.5


def full_colour_px(flow: Flow) -> float:
    """Return the displacement that gets full colour: nearly the longest of ``flow`` (..., H, W, 2) px, at least 0.5."""
    longest = float(np.percentile(np.linalg.norm(flow, axis=-1), PERCENTILE))
    return max(float(np.ceil(10 * longest) / 10), MIN_FULL_PX)


def flow_colours(flow: Flow, full_px: float) -> Images:
    """Return ``flow`` (N, H, W, 2) px in colours, (N, H, W, 3) uint8 RGB; ``full_px`` and more are saturated.

    Right is red, down yellow, left light blue and up violet.
    """
    import_torchvision()
    import torch
    from torchvision.utils import flow_to_image

    vectors = torch.from_numpy(np.ascontiguousarray(flow, dtype=np.float32)).permute(0, 3, 1, 2)  # (N, 2, H, W)
    vectors = vectors * (full_px / vectors.norm(dim=1, keepdim=True).clamp(min=full_px))
    # torchvision takes the longest vector for the full colour, so one of that length comes along.
    longest = torch.zeros_like(vectors[:1])
    longest[:, 0] = full_px
    images = flow_to_image(torch.cat([vectors, longest]))[:-1]  # (N, 3, H, W)
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())


def colour_wheel(side_px: int) -> Images:
    """Return the legend, (side, side, 3) uint8 RGB: each direction from the middle in its colour, on white."""
    places = np.linspace(-1, 1, side_px, dtype=np.float32)
    vectors = np.stack(np.meshgrid(places, places), axis=-1)
    vectors[np.linalg.norm(vectors, axis=-1) > 1] = 0
    return flow_colours(vectors[None], 1.0)[0]
