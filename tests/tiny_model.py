"""A whole model that is made in no time: timm's own network for tests, and a recogniser that nobody trained."""

from __future__ import annotations

from pathlib import Path

import torch

from varml.config import load_params
from varml.config.params import Attention, Model
from varml.models.backbones import Backbone, build_backbone
from varml.models.model_files import FORMAT, Description, LoadedModel, Preprocessing, save_model
from varml.models.recognizer import Recognizer

SHIPPED = load_params(Path(__file__).parents[1] / "params.yaml")
CLASSES = ["jump", "run", "wave"]
NUM_STEPS = {"rgb": 2, "flow": 3}
TINY = "test_resnet"  # 96 features
TINY_SIZE_PX = 64


def tiny_backbone() -> Backbone:
    """Return the network with the same random weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_backbone(TINY, TINY_SIZE_PX, None)


def tiny_params() -> Model:
    """Return the params of the recogniser."""
    return Model(
        backbone=TINY, attention=Attention(depth=1, num_heads=2), fusion="cross_attention", width=8, dropout=0.5
    )


def build(backbone: Backbone, model: Model, seed: int = 0) -> LoadedModel:
    """Return a model; another seed gives a recogniser with other weights."""
    torch.manual_seed(seed)
    num_cells = SHIPPED.features.grid_size**2
    recognizer = Recognizer(
        model, dim=backbone.dim, num_steps=NUM_STEPS, num_cells=num_cells, num_classes=len(CLASSES)
    ).eval()
    recognizer.fit_standardisation({s: torch.randn(4, t, 4, backbone.dim) for s, t in NUM_STEPS.items()})
    features = SHIPPED.features.model_copy(update={"image_size_px": TINY_SIZE_PX})
    preprocessing = Preprocessing(
        probe=SHIPPED.ingest.probe, frames=SHIPPED.frames, flow=SHIPPED.flow, features=features
    )
    description = Description(
        format=FORMAT, classes=CLASSES, dim=backbone.dim, num_steps=NUM_STEPS, model=model, preprocessing=preprocessing
    )
    return LoadedModel(description, backbone, recognizer)


def save_tiny_model(folder: Path, seed: int = 0) -> Path:
    """Make a model folder and return it."""
    save_model(folder, build(tiny_backbone(), tiny_params(), seed))
    return folder
