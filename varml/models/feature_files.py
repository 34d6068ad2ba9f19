"""Which features file belongs to which video: the last link of the chain of keys from digest to features.

Light: it loads no network, so that a stage that has nothing to do ends at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from varml.config.params import Params
from varml.flow.store import flow_keys
from varml.ground.content_key import content_key
from varml.ground.paths import FEATURES
from varml.models.weights import weights_identity

# Raise it when the same frames, flow and weights give other features.
VERSION = 3
SUFFIX = ".safetensors"


def feature_files(
    manifest: pd.DataFrame, params: Params, backbone: str, root: Path = Path(), *, mirrored: bool = False
) -> list[Path]:
    """Return the file of features of each row for one backbone, in the project at ``root``.

    Those of a video that is ``mirrored`` lie in a file of their own, for one may be wanted without the other.
    """
    values = params.features.frozen.model_dump(exclude={"weights"})
    weights = weights_identity(backbone, params.features.weights)
    fixed: dict[str, Any] = {"backbone": backbone, "weights": weights, "features": values, "version": VERSION}
    fixed |= {"mirrored": True} if mirrored else {}
    keys = [content_key(flow=key, **fixed) for key in flow_keys(manifest, params.frames, params.flow)]
    return [root / FEATURES / backbone / f"{key}{SUFFIX}" for key in keys]
