"""A whole model that is made in no time: timm's own network for tests, and a recogniser that nobody trained."""

from __future__ import annotations

from pathlib import Path

import torch

from varml.config import load_params
from varml.config.params import Attention, Model, Views
from varml.models.backbones import Backbone, build_backbone
from varml.models.description import FORMAT, BackboneDescription, Description, MemberDescription, Preprocessing
from varml.models.model_files import LoadedModel, save_model
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


def timeless_params() -> Model:
    """Return the params of a recogniser that takes any number of steps, so that it answers on real videos."""
    return tiny_params().model_copy(update={"attention": Attention(depth=0, num_heads=2)})


def tiny_recognizer(model: Model, dim: int, seed: int = 0) -> Recognizer:
    """Return a recogniser that nobody trained; another seed gives other weights."""
    torch.manual_seed(seed)
    num_cells = SHIPPED.features.grid_size**2
    recognizer = Recognizer(model, dim=dim, num_steps=NUM_STEPS, num_cells=num_cells, num_classes=len(CLASSES)).eval()
    recognizer.fit_standardisation({s: torch.randn(4, t, 4, dim) for s, t in NUM_STEPS.items()})
    return recognizer


def build(backbone: Backbone, model: Model, seed: int = 0) -> LoadedModel:
    """Return a model of one recogniser; another seed gives it other weights."""
    return build_ensemble({model.backbone: backbone}, [(model, 1.0, {}, seed)])


def build_ensemble(
    backbones: dict[str, Backbone],
    members: list[tuple[Model, float, dict[str, str], int]],
    temperature: float = 1.0,
    unknown_below: float | None = None,
) -> LoadedModel:
    """Return a model of ``members``: params, share, backbone key of streams that do not use the params', and seed."""
    features = SHIPPED.features.frozen.model_copy(update={"image_size_px": TINY_SIZE_PX})
    (dim,) = {backbone.dim for backbone in backbones.values()}
    recognizers = [tiny_recognizer(model, dim, seed) for model, _, _, seed in members]
    description = Description(
        format=FORMAT,
        classes=CLASSES,
        mirror=list(range(len(CLASSES))),
        temperature=temperature,
        unknown_below=unknown_below,
        backbones={
            key: BackboneDescription(name=backbone.name, in_chans=backbone.in_chans)
            for key, backbone in backbones.items()
        },
        members=[
            MemberDescription(
                weight=weight,
                model=model,
                dim=dim,
                num_steps=NUM_STEPS,
                backbones={s: keys.get(s, model.backbone) for s in recognizer.streams},
            )
            for (model, weight, keys, _), recognizer in zip(members, recognizers, strict=True)
        ],
        preprocessing=Preprocessing(
            probe=SHIPPED.ingest.probe,
            frames=SHIPPED.frames,
            flow=SHIPPED.flow,
            features=features,
            views=Views(),
        ),
    )
    return LoadedModel(description, backbones, recognizers)


def save_tiny_model(folder: Path, seed: int = 0) -> Path:
    """Make a model folder and return it."""
    save_model(folder, build(tiny_backbone(), tiny_params(), seed))
    return folder
