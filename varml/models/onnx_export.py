"""Turns a model into an export: one network in ONNX, whose answers are compared with the model's before it is kept."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from varml.errors import ModelError, first_line
from varml.ground.atomic import write_json
from varml.models.checked_files import write_checksums
from varml.models.ensemble import Input
from varml.models.flow_images import num_flow_images
from varml.models.model_files import DESCRIPTION, FLOW_WEIGHTS, LoadedModel, write_tensors
from varml.models.onnx_model import EXPORT, NETWORK, lacking, open_session
from varml.models.whole_model import WholeModel

# Answers of float32 differ in the last bits with the order of sums.
MAX_DIFFERENCE = 1e-4
NUM_CHECKED = 4


def export_model(model: LoadedModel, digest: str, target: Path) -> float:
    """Export ``model``, whose folder has the ``digest``, into the folder ``target``, which must not exist.

    Returns the largest difference of a probability between the export and the model, on random images. Raises
    ModelError where there is such a folder, the network cannot be exported, or its answers are off by more than
    :data:`MAX_DIFFERENCE`; nothing is left behind then.
    """
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
        write_tensors(folder / FLOW_WEIGHTS, model.flow_state)
        names.append(FLOW_WEIGHTS)
    write_checksums(folder, names)


def _write_network(whole: WholeModel, model: LoadedModel, target: Path) -> None:
    images = random_images(whole, model, seed=0)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # of the exporter about itself
            torch.onnx.export(
                whole, tuple(images), str(target), dynamo=True, external_data=False, verbose=False,
                input_names=_names(whole.looks), output_names=["probabilities"],
            )  # fmt: skip
    except ImportError as error:
        raise lacking(error) from error
    except Exception as error:  # each network fails in its own way
        raise ModelError(f"the model cannot be exported to ONNX ({first_line(error)}); serve it as it is") from error


def _difference(whole: WholeModel, model: LoadedModel, network: Path) -> float:
    session, gaps = open_session(network), []
    for seed in range(NUM_CHECKED):
        images = random_images(whole, model, seed=seed)
        with torch.inference_mode():
            expected = whole(*images).numpy()
        fed = {name: one.numpy() for name, one in zip(_names(whole.looks), images, strict=True)}
        gaps.append(np.abs(session.run(None, fed)[0] - expected))
    return float(np.max(gaps))


def random_images(whole: WholeModel, model: LoadedModel, seed: int) -> list[Any]:
    """Return images of random numbers, of the shapes that a video's have."""
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
