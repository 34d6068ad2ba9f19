"""A video as a view shows it: before the backbones in pixels, behind them in steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from varml.config.views import View
from varml.flow.store import PackedFlow, cropped, mirrored
from varml.video.reader import Frames

LAST_CROP = 2
StepFeatures = npt.NDArray[np.float16]  # (..., T, G, D), G = grid_size squared


def see(frames: Frames, packed_flow: PackedFlow, view: View) -> tuple[Frames, PackedFlow]:
    """Return what ``view`` shows of stored frames (S, F, H, W, 3) and packed flow (S, F-1, 2H, W, 1).

    A crop is cut before anything is scaled, and the video is mirrored before it is cut. Displacements stay in pixels of
    stored frames: whole frames and crops differ in how they are scaled, and not in what a colour of flow means.
    """
    return see_frames(frames, view), see_flow(packed_flow, view)


def see_frames(frames: Frames, view: View) -> Frames:
    """Return what :func:`see` shows of frames."""
    frames = frames[view.clip :: view.num_clips]
    if view.mirrored:
        frames = np.ascontiguousarray(frames[:, :, :, ::-1])
    if view.crop is None:
        return frames
    rows, columns = crop_window(frames.shape[2], frames.shape[3], view.crop)
    return frames[:, :, rows, columns]


def see_flow(packed_flow: PackedFlow, view: View) -> PackedFlow:
    """Return what :func:`see` shows of flow."""
    packed_flow = packed_flow[view.clip :: view.num_clips]
    if view.mirrored:
        packed_flow = mirrored(packed_flow)
    if view.crop is None:
        return packed_flow
    return cropped(packed_flow, *crop_window(packed_flow.shape[2] // 2, packed_flow.shape[3], view.crop))


def crop_window(height: int, width: int, crop: int) -> tuple[slice, slice]:
    """Return the rows and columns of a square of the short side at the beginning, middle or end of the longer one.

    As in the tests of Wang et al., "Non-local Neural Networks", 2018, arXiv:1711.07971, and of Feichtenhofer et al.,
    "SlowFast Networks for Video Recognition", 2019, arXiv:1812.03982.
    """
    side = min(height, width)
    starts = ((length - side) * crop // LAST_CROP for length in (height, width))
    rows, columns = (slice(start, start + side) for start in starts)
    return rows, columns


def steps_of_clip(features: StepFeatures, view: View, num_segments: int) -> StepFeatures:
    """Return of features (..., T, G, D) of all segments those of the clip that ``view`` shows, (..., T/C, G, D).

    T is a multiple of ``num_segments``: a segment has one step, or several of flow.
    """
    if view.num_clips == 1:
        return features
    *leading, num_steps, num_cells, dim = features.shape
    segments = features.reshape(*leading, num_segments, num_steps // num_segments, num_cells, dim)
    return segments[..., view.clip :: view.num_clips, :, :, :].reshape(*leading, -1, num_cells, dim)
