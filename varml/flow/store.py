"""Stored flow: clipped, companded to eight bits, packed as gray images.

Most displacements are a small part of a pixel and a few are many pixels, so the eight bits follow a square-root
curve: ``q = 128 + 127 sign(v) sqrt(|v| / bound)``. Steps are 0.001 px wide near zero and 0.13 px at 4 px (bound
16 px), where even steps would be 0.13 px wide everywhere. Zero is exact. The backbones see the same curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from varml.config.params import Flow as FlowParams
from varml.config.params import Frames as FrameParams
from varml.flow.estimator import Flow, RgbFrames, estimate_flow, estimators, weights_identity
from varml.flow.stabilize import remove_camera_motion
from varml.ground.content_key import content_key
from varml.ground.paths import FLOW
from varml.ground.plugins import code_identity
from varml.ground.threads import one_opencv_thread
from varml.video.frames import frames_keys, read_frames
from varml.video.pack import SUFFIX, Pack, roundtrip, write_pack

# Raise it when the same frames and params give other files: every stored file then gets a new name.
VERSION = 5
ZERO = 128
LARGEST = 127
PackedFlow = npt.NDArray[np.uint8]  # (S, F-1, 2H, W, 1): u above v


@dataclass(frozen=True)
class FlowTask:
    """One video whose stored frames give stored flow; travels to a worker process."""

    frames: Path
    target: Path
    params: FlowParams


def flow_key(frames_key: str, params: FlowParams) -> str:
    """Return the name of the stored flow of the frames named ``frames_key``."""
    return content_key(frames=frames_key, **_what_matters(params))


def flow_keys(manifest: pd.DataFrame, frames: FrameParams, params: FlowParams) -> list[str]:
    """Return the name of the stored flow of each row."""
    fixed = _what_matters(params)
    return [content_key(frames=key, **fixed) for key in frames_keys(manifest, frames)]


def _what_matters(params: FlowParams) -> dict[str, Any]:
    """Return all that makes one flow from equal frames: where weights lie does not count, which they are does.

    Of an estimator from outside, the code counts too: nobody raises a version for it.
    """
    values = params.model_dump(exclude={"weights"})
    weights = weights_identity(params.estimator, params.weights)
    code = code_identity(estimators[params.estimator])
    return {"flow": values, "weights": weights, "code": code, "version": VERSION}


def flow_files(manifest: pd.DataFrame, frames: FrameParams, params: FlowParams, root: Path = Path()) -> list[Path]:
    """Return the file of stored flow of each row, in the project at ``root``."""
    return [root / FLOW / f"{key}{SUFFIX}" for key in flow_keys(manifest, frames, params)]


def extract_flow(task: FlowTask) -> None:
    """Store the flow of one video's stored frames, and how many of its values were over the bound."""
    with one_opencv_thread():
        flow = _estimate(read_frames(task.frames), task.params)
    bound_px = task.params.bound_px
    num_clipped = int(np.count_nonzero(np.abs(flow) > bound_px))
    meta = {"bound_px": bound_px, "num_clipped": num_clipped, "num_values": flow.size}
    write_pack(task.target, compand(flow, bound_px), task.params.jpeg_quality, **meta)


def clip_flow(frames: RgbFrames, params: FlowParams) -> PackedFlow:
    """Return the packed flow of stored frames exactly as :func:`read_packed_flow` gives it after extraction."""
    packed = compand(_estimate(frames, params), params.bound_px)
    return roundtrip(packed, params.jpeg_quality)


def _estimate(frames: RgbFrames, params: FlowParams) -> Flow:
    flow = estimate_flow(frames, params.estimator, params.weights)
    return remove_camera_motion(frames, flow) if params.stabilize == "affine" else flow


def read_packed_flow(path: Path) -> PackedFlow:
    """Return stored flow as it is stored, (S, F-1, 2H, W, 1) uint8, u above v."""
    return Pack(path).read()


def read_flow(path: Path) -> Flow:
    """Return stored flow as (S, F-1, H, W, 2) float32 in pixels, x then y."""
    pack = Pack(path)
    return expand(pack.read(), pack.meta["bound_px"])


def count_clipped(path: Path) -> tuple[int, int]:
    """Return how many values (u and v of each pixel) of one stored flow were over its bound, and how many there are."""
    meta = Pack(path).meta
    return int(meta["num_clipped"]), int(meta["num_values"])


def compand(flow: Flow, bound_px: float) -> PackedFlow:
    """Return (..., H, W, 2) px as (..., 2H, W, 1) uint8 on the square-root curve, clipped to ±``bound_px``."""
    planes = np.moveaxis(flow, -1, -3) / bound_px  # (..., 2, H, W)
    np.clip(planes, -1, 1, out=planes)
    levels = np.sqrt(np.abs(planes))
    np.copysign(levels, planes, out=levels)
    levels *= LARGEST
    np.rint(levels, out=levels)
    levels += ZERO
    return levels.astype(np.uint8).reshape(*levels.shape[:-3], -1, levels.shape[-1], 1)


def expand(packed: PackedFlow, bound_px: float) -> Flow:
    """Return the displacements (..., H, W, 2) float32 in px that :func:`compand` packed."""
    flow = unit_curve(packed)
    flow *= np.abs(flow)
    flow *= bound_px
    return flow


def mirrored(packed: PackedFlow) -> PackedFlow:
    """Return packed flow (..., 2H, W, 1) of the same video in a mirror: right becomes left, and u changes its sign."""
    flipped = packed[..., ::-1, :].copy()
    height = packed.shape[-3] // 2
    # Levels lie around ZERO; 0, which only a loss in packing makes, has its opposite outside of eight bits.
    flipped[..., :height, :, :] = np.minimum(2 * ZERO - flipped[..., :height, :, :].astype(np.int16), 255)
    return flipped


def cropped(packed: PackedFlow, rows: slice, columns: slice) -> PackedFlow:
    """Return what packed flow (..., 2H, W, 1) says of these rows and columns of the frames; a pixel stays a pixel."""
    planes = packed.reshape(*packed.shape[:-3], 2, -1, *packed.shape[-2:])  # (..., 2, H, W, 1)
    kept = planes[..., rows, columns, :]
    return kept.reshape(*packed.shape[:-3], -1, *kept.shape[-2:])


def unit_curve(packed: PackedFlow) -> Flow:
    """Return packed flow as (..., H, W, 2) float32 from -1 to 1, still on the square-root curve.

    In memory all u of an image stand before all v, as in the pack and as networks want them.
    """
    *leading, double_height, width, _ = packed.shape
    planes = packed.reshape(*leading, 2, double_height // 2, width).astype(np.float32)
    planes -= ZERO
    planes /= LARGEST
    np.clip(planes, -1, 1, out=planes)
    return np.moveaxis(planes, -3, -1)
