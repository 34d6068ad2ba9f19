"""Which stored files belong to which video: the chain of keys from digest to frames, flow and features.

Light: it loads no network, so that a stage that has nothing to do ends at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from varml.config.params import Params
from varml.content_key import content_key
from varml.flow.store import flow_file, flow_key
from varml.models.weights import weights_identity
from varml.paths import FEATURES, FLOW, FRAMES
from varml.video.frames import frames_file, frames_key

VERSION = 1
SUFFIX = ".safetensors"


def frame_files(manifest: pd.DataFrame, params: Params, root: Path = Path()) -> list[Path]:
    """Return the file of stored frames of each row."""
    return [frames_file(root / FRAMES, frames_key(r.digest, r.reader, params.frames)) for r in _rows(manifest)]


def flow_files(manifest: pd.DataFrame, params: Params, root: Path = Path()) -> list[Path]:
    """Return the file of stored flow of each row."""
    return [flow_file(root / FLOW, key) for key in _flow_keys(manifest, params)]


def feature_files(manifest: pd.DataFrame, params: Params, backbone: str, root: Path = Path()) -> list[Path]:
    """Return the file of features of each row for one backbone."""
    values = params.features.model_dump(exclude={"weights"})
    weights = weights_identity(backbone, params.features.weights)
    fixed: dict[str, Any] = {"backbone": backbone, "weights": weights, "features": values, "version": VERSION}
    keys = [content_key(flow=key, **fixed) for key in _flow_keys(manifest, params)]
    return [root / FEATURES / backbone / f"{key}{SUFFIX}" for key in keys]


def _flow_keys(manifest: pd.DataFrame, params: Params) -> list[str]:
    return [flow_key(frames_key(r.digest, r.reader, params.frames), params.flow) for r in _rows(manifest)]


def _rows(manifest: pd.DataFrame) -> Any:
    return manifest[["digest", "reader"]].itertuples(index=False)
