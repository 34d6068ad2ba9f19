"""A model on disk: the same logits after loading, the same bytes after saving twice, and nothing altered gets in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_model import NUM_STEPS, build

from varml.config.params import Model
from varml.config.tree import set_path
from varml.errors import ModelError
from varml.flow.estimator import estimate_flow, estimator_state
from varml.ground.content_key import file_digest
from varml.ground.torchvision_shim import import_torchvision
from varml.models.attention import attention_kinds
from varml.models.backbones import Backbone, build_backbone
from varml.models.model_files import FORMAT, LoadedModel, load_model, model_digest, save_model


@pytest.fixture
def folder(tiny_backbone: Backbone, model: Model, tmp_path: Path) -> Path:
    save_model(tmp_path / "model", build(tiny_backbone, model))
    return tmp_path / "model"


def logits_of(model: LoadedModel) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    features = {s: torch.randn(2, t, 4, model.description.dim, generator=generator) for s, t in NUM_STEPS.items()}
    with torch.inference_mode():
        return model.recognizer(features)


def test_a_loaded_model_says_the_same_to_the_last_bit(folder: Path, tiny_backbone: Backbone, model: Model) -> None:
    saved, loaded = build(tiny_backbone, model), load_model(folder)
    assert torch.equal(logits_of(loaded), logits_of(saved))
    assert not torch.equal(logits_of(saved), logits_of(build(tiny_backbone, model, seed=1)))
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        assert torch.equal(loaded.backbone(image), tiny_backbone(image))
    assert loaded.description == saved.description


def test_a_loaded_model_is_ready_to_predict(folder: Path) -> None:
    loaded = load_model(folder)
    assert not loaded.backbone.training
    assert not loaded.recognizer.training


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("preprocessing.flow.estimator", "flow estimator"),
        ("model.attention.kind", "attention kind"),
        ("model.fusion", "fusion"),
    ],
)
def test_a_part_that_is_not_registered_is_named(folder: Path, path: str, kind: str) -> None:
    tree = json.loads((folder / "model.json").read_text())
    set_path(tree, path, "own")
    (folder / "model.json").write_text(json.dumps(tree))
    checksums = {name: file_digest(folder / name) for name in ("model.json", "weights.safetensors")}
    (folder / "checksums.json").write_text(json.dumps(checksums))
    with pytest.raises(ModelError, match=rf"needs the {kind} 'own', which varml has not got; import the plugin"):
        load_model(folder)


@pytest.mark.parametrize(
    "values",
    [{"fusion": "early"}, {"fusion": "gated", "pooling": "attentive"}, {"fusion": "late", "stream_dropout": 0.5}],
)
@pytest.mark.parametrize("kind", attention_kinds.names())
def test_every_kind_of_recogniser_is_loaded_as_it_was(
    tiny_backbone: Backbone, model: Model, tmp_path: Path, values: dict[str, Any], kind: str
) -> None:
    attention = model.attention.model_copy(update={"kind": kind})
    saved = build(tiny_backbone, model.model_copy(update={"attention": attention, **values}))
    save_model(tmp_path / "model", saved)
    assert torch.equal(logits_of(load_model(tmp_path / "model")), logits_of(saved))


def test_the_weight_of_late_fusion_is_saved(tiny_backbone: Backbone, model: Model, tmp_path: Path) -> None:
    saved = build(tiny_backbone, model.model_copy(update={"fusion": "late"}))
    saved.recognizer.fusion.rgb_weight.fill_(0.8)
    save_model(tmp_path / "model", saved)
    assert load_model(tmp_path / "model").recognizer.fusion.rgb_weight.item() == pytest.approx(0.8)


def test_a_backbone_of_its_own_for_flow_is_saved_and_loaded(
    tiny_backbone: Backbone, model: Model, tmp_path: Path
) -> None:
    made = build(tiny_backbone, model)
    preprocessing = made.description.preprocessing
    frames = preprocessing.frames.model_copy(update={"frames_per_segment": 3})
    features = preprocessing.features.model_copy(update={"flow_images": "stack"})
    description = made.description.model_copy(
        update={"preprocessing": preprocessing.model_copy(update={"frames": frames, "features": features})}
    )
    flow_backbone = build_backbone("test_resnet", 64, None, in_chans=4)
    saved = replace(made, description=description, flow_backbone=flow_backbone)
    save_model(tmp_path / "model", saved)
    loaded = load_model(tmp_path / "model")
    images = torch.rand(1, 4, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded.backbones["flow"](images), flow_backbone(images))
        assert torch.equal(loaded.backbones["rgb"](images[:, :3]), tiny_backbone(images[:, :3]))
    save_model(tmp_path / "again", loaded)
    assert model_digest(tmp_path / "again") == model_digest(tmp_path / "model")


def test_without_one_both_streams_have_the_same_backbone(folder: Path) -> None:
    backbones = load_model(folder).backbones
    assert backbones["rgb"] is backbones["flow"]


def test_saving_twice_gives_the_same_bytes(folder: Path, tiny_backbone: Backbone, model: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "again", build(tiny_backbone, model))
    save_model(tmp_path / "other", build(tiny_backbone, model, seed=1))
    names = sorted(path.name for path in folder.iterdir())
    assert all((tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes() for name in names)
    assert model_digest(tmp_path / "again") == model_digest(folder)
    assert model_digest(tmp_path / "other") != model_digest(folder)


def test_a_loaded_model_is_saved_as_it_was(folder: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "again", load_model(folder))
    assert model_digest(tmp_path / "again") == model_digest(folder)


def test_a_folder_holds_safetensors_and_json_alone(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["checksums.json", "model.json", "weights.safetensors"]
    for name in ("checksums.json", "model.json"):
        assert isinstance(json.loads((folder / name).read_text()), dict)
    with safe_open(folder / "weights.safetensors", "pt") as file:
        assert {key.split(".")[0] for key in file.keys()} == {"backbone", "recognizer"}  # noqa: SIM118


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
@pytest.mark.parametrize("place", [0, -10])
def test_a_flipped_bit_is_refused(folder: Path, name: str, place: int) -> None:
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name} is missing or was altered"):
        load_model(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=rf"{name} is missing"):
        load_model(folder)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"model.json": "0"}', '{"../evil": "0"}'])
def test_a_folder_without_a_whole_list_of_checksums_is_refused(folder: Path, content: str | None) -> None:
    (folder / "checksums.json").unlink()
    if content is not None:
        (folder / "checksums.json").write_text(content)
    with pytest.raises(ModelError, match=r"checksums\.json"):
        load_model(folder)


def test_a_folder_that_does_not_exist_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no complete model .*run `dvc repro`"):
        load_model(tmp_path / "nowhere")


def test_another_format_is_refused(tiny_backbone: Backbone, model: Model, tmp_path: Path) -> None:
    made = build(tiny_backbone, model)
    newer = made.description.model_copy(update={"format": FORMAT + 1})
    save_model(tmp_path, LoadedModel(newer, made.backbone, made.recognizer))
    with pytest.raises(ModelError, match=rf"model format {FORMAT + 1}; this varml reads format {FORMAT}"):
        load_model(tmp_path)


def test_weights_of_another_network_are_refused(tiny_backbone: Backbone, model: Model, tmp_path: Path) -> None:
    # As after an update of timm that changed the network behind the name.
    made = build(tiny_backbone, model)
    other = made.description.model_copy(update={"model": model.model_copy(update={"backbone": "test_vit"})})
    save_model(tmp_path, LoadedModel(other, made.backbone, made.recognizer))
    with pytest.raises(ModelError):
        load_model(tmp_path)


@pytest.fixture
def with_flow(tiny_backbone: Backbone, model: Model, tmp_path: Path) -> Path:
    """A model whose flow estimator has weights of its own, from a file that has gone since."""
    import_torchvision()
    from torchvision.models.optical_flow import raft_small

    weights = tmp_path / "raft.safetensors"
    save_file(raft_small(weights=None).state_dict(), weights)
    made = build(tiny_backbone, model)
    flow = made.description.preprocessing.flow
    named = flow.model_copy(update={"estimator": "raft_small", "weights": {"raft_small": str(weights)}})
    preprocessing = made.description.preprocessing.model_copy(update={"flow": named})
    description = made.description.model_copy(update={"preprocessing": preprocessing})
    state = estimator_state("raft_small", named.weights)
    save_model(tmp_path / "model", LoadedModel(description, made.backbone, made.recognizer, state))
    weights.unlink()
    return tmp_path / "model"


def test_a_model_brings_the_weights_of_its_flow_estimator(with_flow: Path, tmp_path: Path) -> None:
    assert str(tmp_path) not in (with_flow / "model.json").read_text()
    loaded = load_model(with_flow)
    flow = loaded.description.preprocessing.flow
    frames = np.random.default_rng(0).integers(0, 256, (1, 2, 40, 50, 3), dtype=np.uint8)
    assert estimate_flow(frames, flow.estimator, flow.weights).any()
    save_model(tmp_path / "again", loaded)
    assert model_digest(tmp_path / "again") == model_digest(with_flow)


@pytest.mark.parametrize("missing", [True, False])
def test_weights_of_the_flow_estimator_that_were_altered_are_refused(with_flow: Path, missing: bool) -> None:
    file = with_flow / "flow.safetensors"
    content = file.read_bytes()
    file.unlink()
    if not missing:
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match=r"flow\.safetensors is missing or was altered"):
        load_model(with_flow)
