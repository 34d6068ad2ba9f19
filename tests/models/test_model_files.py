"""A model on disk: the same logits after loading, the same bytes after saving twice, and nothing altered gets in."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_model import NUM_STEPS, TINY, build, build_ensemble

from varml.config.params import Model
from varml.errors import ModelError
from varml.flow.estimator import estimate_flow, estimator_state
from varml.ground.atomic import write_json
from varml.ground.content_key import file_digest
from varml.ground.torchvision_shim import import_torchvision
from varml.models.attention import attention_kinds
from varml.models.backbones import Backbone, build_backbone
from varml.models.description import FORMAT
from varml.models.ensemble import Input
from varml.models.model_files import LoadedModel, load_model, model_digest, save_model


@pytest.fixture
def folder(tiny_backbone: Backbone, model: Model, tmp_path: Path) -> Path:
    save_model(tmp_path / "model", build(tiny_backbone, model))
    return tmp_path / "model"


@pytest.fixture
def several(tiny_backbone: Backbone, model: Model, tmp_path: Path) -> Path:
    """A model of two members, of which one has a backbone of its own for flow; its key has a dot, as many names do."""
    backbones = {TINY: tiny_backbone, "trial3.flow": copy.deepcopy(tiny_backbone)}
    with torch.no_grad():
        next(backbones["trial3.flow"].parameters()).add_(0.1)
    rgb = model.model_copy(update={"fusion": "rgb"})
    members = [(model, 0.75, {"flow": "trial3.flow"}, 0), (rgb, 0.25, {}, 1)]
    save_model(tmp_path / "several", build_ensemble(backbones, members, temperature=1.5, unknown_below=0.4))
    return tmp_path / "several"


def probabilities_of(model: LoadedModel) -> np.ndarray:
    rng = np.random.default_rng(1)
    features: dict[Input, np.ndarray] = {}
    for one in model.ensemble.inputs:
        shape = (2, NUM_STEPS[one.stream], 4, model.description.members[0].dim)
        features[one] = rng.normal(size=shape).astype(np.float32)
    return model.ensemble.predict(features)


def test_a_loaded_model_says_the_same_to_the_last_bit(folder: Path, tiny_backbone: Backbone, model: Model) -> None:
    saved, loaded = build(tiny_backbone, model), load_model(folder)
    assert np.array_equal(probabilities_of(loaded), probabilities_of(saved))
    assert not np.array_equal(probabilities_of(saved), probabilities_of(build(tiny_backbone, model, seed=1)))
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        assert torch.equal(loaded.backbones[TINY](image), tiny_backbone(image))
    assert loaded.description == saved.description


def test_several_members_and_backbones_come_back_each_with_its_own_weights(several: Path, tmp_path: Path) -> None:
    loaded = load_model(several)
    assert [member.weight for member in loaded.description.members] == [0.75, 0.25]
    assert (loaded.description.temperature, loaded.description.unknown_below) == (1.5, 0.4)
    assert loaded.ensemble.inputs == [Input(TINY, "rgb"), Input("trial3.flow", "flow")]
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        one, other = (loaded.backbones[key](image) for key in (TINY, "trial3.flow"))
    assert not torch.equal(one, other)
    save_model(tmp_path / "again", loaded)
    assert model_digest(tmp_path / "again") == model_digest(several)


def test_a_loaded_model_is_ready_to_predict(several: Path) -> None:
    loaded = load_model(several)
    networks = [*loaded.backbones.values(), *loaded.recognizers]
    assert len(networks) == 4
    assert not any(network.training for network in networks)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda tree: tree["preprocessing"]["flow"].update(estimator="own"), "flow estimator"),
        (lambda tree: tree["members"][0]["model"]["attention"].update(kind="own"), "attention kind"),
        (lambda tree: tree["members"][0]["model"].update(fusion="own"), "fusion"),
    ],
)
def test_a_part_that_is_not_registered_is_named(folder: Path, change: Any, kind: str) -> None:
    rewrite(folder, change)
    with pytest.raises(ModelError, match=rf"needs the {kind} 'own', which varml has not got; import the plugin"):
        load_model(folder)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what model.json says, as if it had been saved so."""
    tree = json.loads((folder / "model.json").read_text())
    change(tree)
    write_json(folder / "model.json", tree)
    names = [path.name for path in folder.iterdir() if path.name != "checksums.json"]
    write_json(folder / "checksums.json", {name: file_digest(folder / name) for name in names})


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree["members"].clear(),
        lambda tree: tree["members"][0]["backbones"].update(flow="another"),
        lambda tree: tree["backbones"].update(another={"name": "test_resnet"}),
        lambda tree: tree.update(temperature=0),
        lambda tree: tree.update(unknown_below=2),
        lambda tree: tree.pop("unknown_below"),
        lambda tree: tree.update(more=1),
    ],
)
def test_a_description_that_does_not_hold_together_is_refused(folder: Path, change: Any) -> None:
    rewrite(folder, change)
    with pytest.raises(ModelError, match=r"model\.json does not describe a model"):
        load_model(folder)


@pytest.mark.parametrize(
    "values",
    [{"fusion": "early"}, {"fusion": "gated", "pooling": "attentive"}, {"fusion": "concat", "stream_dropout": 0.5}],
)
@pytest.mark.parametrize("kind", attention_kinds.names())
def test_every_kind_of_recogniser_is_loaded_as_it_was(
    tiny_backbone: Backbone, model: Model, tmp_path: Path, values: dict[str, Any], kind: str
) -> None:
    attention = model.attention.model_copy(update={"kind": kind})
    saved = build(tiny_backbone, model.model_copy(update={"attention": attention, **values}))
    save_model(tmp_path / "model", saved)
    assert np.array_equal(probabilities_of(load_model(tmp_path / "model")), probabilities_of(saved))


def test_the_weight_of_late_fusion_is_saved(tiny_backbone: Backbone, model: Model, tmp_path: Path) -> None:
    saved = build(tiny_backbone, model.model_copy(update={"fusion": "late"}))
    saved.recognizers[0].fusion.rgb_weight.fill_(0.8)
    save_model(tmp_path / "model", saved)
    assert load_model(tmp_path / "model").recognizers[0].fusion.rgb_weight.item() == pytest.approx(0.8)


def test_a_backbone_of_other_channels_for_flow_is_saved_and_loaded(
    tiny_backbone: Backbone, model: Model, tmp_path: Path
) -> None:
    stacked = build_backbone("test_resnet", 64, None, in_chans=4)
    saved = build_ensemble({TINY: tiny_backbone, "stacked": stacked}, [(model, 1.0, {"flow": "stacked"}, 0)])
    save_model(tmp_path / "model", saved)
    loaded = load_model(tmp_path / "model")
    images = torch.rand(1, 4, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded.backbones["stacked"](images), stacked(images))
        assert torch.equal(loaded.backbones[TINY](images[:, :3]), tiny_backbone(images[:, :3]))
    save_model(tmp_path / "again", loaded)
    assert model_digest(tmp_path / "again") == model_digest(tmp_path / "model")


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
        assert {key.split(".")[0] for key in file.keys()} == {"backbones", "members"}  # noqa: SIM118


FILES = ["checksums.json", "model.json", "weights.safetensors"]


@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255), name=st.sampled_from(FILES))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_is_refused_in_any_file_at_any_place(folder: Path, place: float, bits: int, name: str) -> None:
    content = (folder / name).read_bytes()
    altered = bytearray(content)
    altered[int(place * len(altered))] ^= bits
    (folder / name).write_bytes(altered)
    try:
        with pytest.raises(ModelError):
            load_model(folder)
    finally:
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
@pytest.mark.parametrize("place", [0, -10])
def test_an_altered_file_is_named(folder: Path, name: str, place: int) -> None:
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name} is missing or was altered"):
        load_model(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("length", [0, 1, -1])
def test_a_truncated_file_is_refused(folder: Path, name: str, length: int) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:length])
    with pytest.raises(ModelError, match=name):
        load_model(folder)


@pytest.mark.parametrize("name", ["more.safetensors", "flow.safetensors", "code.py", ".hidden"])
def test_an_added_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    with pytest.raises(ModelError, match=rf"{name} is no file of the model"):
        load_model(folder)


def test_a_list_of_checksums_that_was_written_anew_is_refused(folder: Path) -> None:
    # Such as with other spaces: as JSON it says the same.
    listed = json.loads((folder / "checksums.json").read_text())
    (folder / "checksums.json").write_text(json.dumps(listed))
    with pytest.raises(ModelError, match=r"checksums\.json was altered"):
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
    save_model(tmp_path, LoadedModel(newer, made.backbones, made.recognizers))
    with pytest.raises(ModelError, match=rf"model format {FORMAT + 1}; this varml reads format {FORMAT}"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree["backbones"][TINY].update(name="test_vit"),
        lambda tree: tree["members"][0]["model"].update(width=16),
    ],
)
def test_weights_of_another_network_are_refused(folder: Path, change: Any) -> None:
    # As after an update of timm that changed the network behind the name.
    rewrite(folder, change)
    with pytest.raises(ModelError, match="does not fit the networks"):
        load_model(folder)


def test_weights_that_no_network_takes_are_refused(several: Path) -> None:
    def only_first(tree: dict[str, Any]) -> None:
        del tree["members"][1]

    rewrite(several, only_first)
    with pytest.raises(ModelError, match="does not fit the networks"):
        load_model(several)


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
    save_model(tmp_path / "model", LoadedModel(description, made.backbones, made.recognizers, state))
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
