"""A model exported to ONNX: the same answers from onnxruntime, several times faster on a CPU than PyTorch's own.

A folder with ``model.onnx``, ``model.json`` (the description of the model, with its preprocessing), ``export.json``
(which model it is, its inputs, how far its answers may be off) and the list of their sha256.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from varml.config.views import View
from varml.errors import ModelError, first_line
from varml.models.checked_files import check_files
from varml.models.description import Description
from varml.models.model_files import DESCRIPTION, FLOW_WEIGHTS, read_description, with_flow_state
from varml.video.reader import Frames

if TYPE_CHECKING:
    from varml.models.ensemble import Input

NETWORK = "model.onnx"
EXPORT = "export.json"


@dataclass(frozen=True)
class OnnxModel:
    """An export, ready to predict.

    ``digest`` is that of the model that it came from, and ``looks`` are its inputs by their names.
    """

    description: Description
    digest: str
    looks: dict[str, Input]
    session: Any

    def score(self, frames: Frames) -> npt.NDArray[np.float32]:
        """Return the probability of each class, (K,), for frames (S, F, H, W, 3) uint8 as they are stored."""
        from varml.flow.store import clip_flow
        from varml.models.whole_model import look_images

        pre = self.description.preprocessing
        images = look_images(list(self.looks.values()), frames, clip_flow(frames, pre.flow), pre.features)
        fed = {name: one.numpy() for name, one in zip(self.looks, images, strict=True)}
        return np.asarray(self.session.run(None, fed)[0])


def is_export(folder: Path) -> bool:
    """Return whether ``folder`` holds an export, and not a model as training leaves it."""
    return (folder / NETWORK).is_file()


def load_export(folder: Path) -> OnnxModel:
    """Return the export in ``folder``, to run on as many threads as torch has now.

    Raises ModelError where a file is missing, altered or added, or onnxruntime is not installed or refuses it.
    """
    from varml.models.ensemble import Input

    names = check_files(folder, {NETWORK, DESCRIPTION, EXPORT}, {FLOW_WEIGHTS})
    facts = json.loads((folder / EXPORT).read_text(encoding="utf-8"))
    description, _ = with_flow_state(read_description(folder), folder, names)
    looks = {one["name"]: Input(one["backbone"], one["stream"], View(**one["view"])) for one in facts["inputs"]}
    return OnnxModel(description, facts["model_digest"], looks, open_session(folder / NETWORK))


def open_session(network: Path) -> Any:
    """Return onnxruntime's session of ``network``, on as many threads as torch has; raises as :func:`load_export`."""
    import torch

    try:
        import onnxruntime
    except ImportError as error:
        raise lacking(error) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # its warnings are about its own optimiser
    try:
        return onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"onnxruntime does not read {network} ({first_line(error)}); export it again") from error


def lacking(error: ImportError) -> ModelError:
    """Return what is said where a package for ONNX is not installed."""
    return ModelError(f'ONNX needs packages that are not installed ({error}); run pip install "varml[onnx]"')
