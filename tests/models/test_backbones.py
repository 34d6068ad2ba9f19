"""timm models of different layouts as backbones: always a map (B, D, h, w)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from varml.config import load_params
from varml.config.space import backbones_of
from varml.ground.torchvision_shim import import_torchvision
from varml.models.backbones import backbone_names, build_backbone

import_torchvision()
timm = pytest.importorskip("timm")

SHIPPED = load_params(Path(__file__).parents[2] / "params.yaml")

# Name, width of the map, side of the map at 64 px.
LAYOUTS = [
    ("resnet18", 512, 2),  # NCHW
    ("mobilenetv3_small_050", 288, 2),  # its num_features is 1024, after the pooling
    ("swin_tiny_patch4_window7_224", 768, 2),  # NHWC, of fixed input size
    ("vit_tiny_patch16_224", 192, 4),  # tokens behind a class token, of fixed input size
    ("deit_tiny_distilled_patch16_224", 192, 4),  # tokens behind two others
    ("test_convnext", 64, 2),
]


@pytest.mark.parametrize(("name", "dim", "side"), LAYOUTS)
def test_any_layout_gives_a_map(name: str, dim: int, side: int) -> None:
    backbone = build_backbone(name, 64, None)
    with torch.inference_mode():
        features = backbone(torch.rand(2, 3, 64, 64))
    assert features.shape == (2, dim, side, side)
    assert backbone.dim == dim
    assert not backbone.training


@pytest.mark.parametrize(("name", "num_prefix_tokens"), [("test_vit", 1), ("deit_tiny_distilled_patch16_224", 2)])
def test_tokens_are_laid_out_row_by_row(name: str, num_prefix_tokens: int) -> None:
    backbone, image = build_backbone(name, 64, None), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        tokens = backbone.network.forward_features((image - backbone.mean) / backbone.std)
        features = backbone(image)
    # Sums of another memory layout differ in the last bits; another token is far off.
    torch.testing.assert_close(features[0, :, 0, 1], tokens[0, num_prefix_tokens + 1])
    torch.testing.assert_close(features[0, :, 2, 3], tokens[0, num_prefix_tokens + 2 * 4 + 3])


def test_channels_last_is_turned_without_mixing_rows_and_columns() -> None:
    backbone, image = build_backbone("swin_tiny_patch4_window7_224", 64, None), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        last = backbone.network.forward_features((image - backbone.mean) / backbone.std)
        torch.testing.assert_close(backbone(image)[0, :, 0, 1], last[0, 0, 1])


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("tf_efficientnet_lite0", [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
        ("test_efficientnet", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ],
)
def test_images_are_standardised_as_the_weights_expect(name: str, mean: list[float], std: list[float]) -> None:
    backbone = build_backbone(name, 64, None)
    assert backbone.mean.flatten().tolist() == pytest.approx(mean)
    assert backbone.std.flatten().tolist() == pytest.approx(std)
    grey = torch.tensor(mean).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = backbone.network.forward_features(torch.zeros(1, 3, 64, 64))
        assert torch.allclose(backbone(grey), expected, atol=1e-5)
        assert not torch.allclose(backbone(grey * 0), expected, atol=1e-5)


@pytest.mark.parametrize("name", [*backbones_of(SHIPPED), "resnet18", "vit_tiny_patch16_224", "mobilenetv3_small_050"])
def test_images_are_standardised_by_timms_own_data_config(name: str) -> None:
    config = timm.data.resolve_model_data_config(timm.create_model(name, pretrained=False))
    image = torch.rand(1, 3, 4, 4)
    by_timm = torch.stack([(image[0, c] - config["mean"][c]) / config["std"][c] for c in range(3)])
    assert torch.allclose(build_backbone(name, 64, None).standardise(image)[0], by_timm)


@pytest.mark.parametrize(
    ("name", "is_channels_last"),
    [
        ("tf_efficientnet_lite0", True),
        ("mobilenetv3_small_050", True),
        ("resnet18", False),  # has no depthwise convolution
        ("vit_tiny_patch16_224", False),
        ("fastvit_t8", False),  # torch's gradient of its first strided 1 x 1 convolution breaks the process so
    ],
)
def test_networks_with_depthwise_convolutions_see_channels_side_by_side(name: str, is_channels_last: bool) -> None:
    backbone, seen = build_backbone(name, 64, None), []
    first = next(module for module in backbone.network.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))
    backbone(torch.rand(2, 3, 64, 64)).mean().backward()
    assert seen[0].is_contiguous(memory_format=torch.channels_last) == is_channels_last


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv3_small_050"])
def test_the_layout_of_images_changes_no_feature(name: str) -> None:
    backbone, images = build_backbone(name, 64, None), torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        plane_by_plane = backbone.network.forward_features(backbone.standardise(images))
        torch.testing.assert_close(backbone(images), plane_by_plane, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name, _, _ in LAYOUTS])
@pytest.mark.parametrize("in_chans", [2, 10])
def test_images_may_have_other_channels(name: str, in_chans: int) -> None:
    backbone = build_backbone(name, 64, None, in_chans)
    with torch.inference_mode():
        assert backbone(torch.rand(2, in_chans, 64, 64)).shape[:2] == (2, backbone.dim)
    # No photograph: the middle is zero.
    assert not backbone.standardise(torch.full((1, in_chans, 2, 2), 0.5)).any()
    assert torch.equal(backbone.standardise(torch.ones(1, in_chans, 2, 2)), torch.ones(1, in_chans, 2, 2))


def test_names_include_the_packaged_backbones_and_tags() -> None:
    names = backbone_names()
    assert {"tf_efficientnet_lite0", "tf_efficientnet_lite1", "resnet18", "resnet18.a1_in1k"} <= set(names)
    assert names == sorted(set(names))
