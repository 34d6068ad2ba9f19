"""Which features file belongs to which video: the last link of the chain of keys from digest to features.

Light: it loads no network, so that a stage that has nothing to do ends at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from varml.config.params import Params
from varml.config.views import PLAIN, View
from varml.flow.store import flow_keys
from varml.ground.content_key import content_key
from varml.ground.paths import FEATURES
from varml.models.weights import weights_identity

# Raise it when the same frames, flow and weights give other features.
VERSION = 4
SUFFIX = ".safetensors"


def feature_files(
    manifest: pd.DataFrame, params: Params, backbone: str, root: Path = Path(), *, view: View = PLAIN
) -> list[Path]:
    """Return the file of features of each row for one backbone, in the project at ``root``.

    Those of a crop and of a mirrored video lie in files of their own, for one may be wanted without the others. Those
    of a clip are in the file of all segments.
    """
    values = params.features.frozen.model_dump(exclude={"weights"})
    weights = weights_identity(backbone, params.features.weights)
    fixed: dict[str, Any] = {"backbone": backbone, "weights": weights, "features": values, "version": VERSION}
    fixed |= {"mirrored": True} if view.mirrored else {}
    fixed |= {"crop": view.crop} if view.crop is not None else {}
    keys = [content_key(flow=key, **fixed) for key in flow_keys(manifest, params.frames, params.flow)]
    return [root / FEATURES / backbone / f"{key}{SUFFIX}" for key in keys]
