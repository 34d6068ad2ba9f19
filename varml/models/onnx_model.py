"""A model exported to ONNX: the same answers from onnxruntime, several times faster on a CPU than PyTorch's own.

A folder with ``model.onnx``, ``model.json`` (the description of the model, with its preprocessing), ``export.json``
(which model it is, its inputs, how far its answers may be off) and the list of their sha256.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from varml.config.views import View
from varml.errors import ModelError, first_line
from varml.ground.atomic import write_json
from varml.models.checked_files import check_files, write_checksums
from varml.models.description import Description
from varml.models.model_files import DESCRIPTION, FLOW_WEIGHTS, LoadedModel, read_description, with_flow_state
from varml.video.reader import Frames

if TYPE_CHECKING:
    from varml.models.ensemble import Input
    from varml.models.whole_model import WholeModel

NETWORK = "model.onnx"
EXPORT = "export.json"
# Answers of float32 differ in the last bits with the order of sums.
MAX_DIFFERENCE = 1e-4
NUM_CHECKED = 4


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
    return OnnxModel(description, facts["model_digest"], looks, _open_session(folder / NETWORK))


def export_model(model: LoadedModel, digest: str, target: Path) -> float:
    """Export ``model``, whose folder has the ``digest``, into the folder ``target``, which must not exist.

    Returns the largest difference of a probability between the export and the model, on random images. Raises
    ModelError where there is such a folder, the network cannot be exported, or its answers are off by more than
    :data:`MAX_DIFFERENCE`; nothing is left behind then.
    """
    from varml.models.whole_model import WholeModel

    if target.exists():
        raise ModelError(f"{target} exists; name a folder that does not")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
        folder, whole = Path(temporary, "export"), WholeModel(model).eval()
        folder.mkdir()
        _write_network(whole, model, folder / NETWORK)
        difference = _difference(whole, model, folder / NETWORK)
        if not difference <= MAX_DIFFERENCE:  # so that what is no number fails, too
            raise ModelError(
                f"the exported network's probabilities are off by {difference:.2g}, and may be by {MAX_DIFFERENCE:g}; "
                "serve the model as it is"
            )
        _write_facts(folder, model, digest, whole.looks, difference)
        folder.rename(target)
    return difference


def _write_facts(folder: Path, model: LoadedModel, digest: str, looks: Sequence[Input], difference: float) -> None:
    inputs = [
        {"name": name, "backbone": one.backbone, "stream": one.stream, "view": asdict(one.view)}
        for name, one in zip(_names(looks), looks, strict=True)
    ]
    names = [NETWORK, DESCRIPTION, EXPORT]
    write_json(folder / DESCRIPTION, model.description.with_flow_weights({}).model_dump())
    write_json(folder / EXPORT, {"model_digest": digest, "largest_difference": difference, "inputs": inputs})
    if model.flow_state:
        from safetensors.torch import save_file

        save_file({key: tensor.contiguous() for key, tensor in model.flow_state.items()}, folder / FLOW_WEIGHTS)
        names.append(FLOW_WEIGHTS)
    write_checksums(folder, names)


def _write_network(whole: WholeModel, model: LoadedModel, target: Path) -> None:
    import torch

    images = _random_images(whole, model, seed=0)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # of the exporter about itself
            torch.onnx.export(
                whole, tuple(images), str(target), dynamo=True, external_data=False, verbose=False,
                input_names=_names(whole.looks), output_names=["probabilities"],
            )  # fmt: skip
    except ImportError as error:
        raise _lacking(error) from error
    except Exception as error:  # each network fails in its own way
        raise ModelError(f"the model cannot be exported to ONNX ({first_line(error)}); serve it as it is") from error


def _difference(whole: WholeModel, model: LoadedModel, network: Path) -> float:
    import torch

    session, gaps = _open_session(network), []
    for seed in range(NUM_CHECKED):
        images = _random_images(whole, model, seed=seed)
        with torch.inference_mode():
            expected = whole(*images).numpy()
        fed = {name: one.numpy() for name, one in zip(_names(whole.looks), images, strict=True)}
        gaps.append(np.abs(session.run(None, fed)[0] - expected))
    return float(np.max(gaps))


def _random_images(whole: WholeModel, model: LoadedModel, seed: int) -> list[Any]:
    """Return images of random numbers, of the shapes that a video's have."""
    import torch

    from varml.models.flow_images import num_flow_images

    pre, generator = model.description.preprocessing, torch.Generator().manual_seed(seed)
    size, frames = pre.features.image_size_px, pre.frames
    steps = {
        "rgb": frames.num_segments,
        "flow": num_flow_images(pre.features.flow_images, frames.num_segments, frames.frames_per_segment),
    }
    return [
        torch.rand(steps[one.stream], model.backbones[one.backbone].in_chans, size, size, generator=generator)
        for one in whole.looks
    ]


def _names(looks: Sequence[Input]) -> list[str]:
    return [f"images_{place}_{one.stream}" for place, one in enumerate(looks)]


def _open_session(network: Path) -> Any:
    import torch

    try:
        import onnxruntime
    except ImportError as error:
        raise _lacking(error) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # its warnings are about its own optimiser
    try:
        return onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"onnxruntime does not read {network} ({first_line(error)}); export it again") from error


def _lacking(error: ImportError) -> ModelError:
    return ModelError(f'ONNX needs packages that are not installed ({error}); run pip install "varml[onnx]"')
