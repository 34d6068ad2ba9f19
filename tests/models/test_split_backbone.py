"""A backbone that is cut goes on from the maps at the cut as if nothing had happened, whatever its architecture."""

from __future__ import annotations

import pytest
import torch

from varml.models.backbones import Backbone, build_backbone
from varml.models.split_backbone import SplitBackbone, split_backbone
from varml.training.unfreezing import trained_parameters

# Name, size in px, the last module before what the last stage is.
CUT = [
    ("tf_efficientnet_lite0", 64, "blocks.5"),
    ("resnet18", 64, "layer3"),
    ("mobilenetv3_small_050", 64, "blocks.3"),
    ("vit_tiny_patch16_224", 32, "blocks.7"),  # embeds positions by operations of its own
    ("convnext_atto", 64, "stages.2"),
]


def backbone_of(name: str, size_px: int) -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_backbone(name, size_px, None)


def cut(backbone: Backbone) -> SplitBackbone:
    split = split_backbone(backbone, trained_parameters(backbone, "last_stage"))
    assert split is not None
    return split


@pytest.mark.parametrize(("name", "size_px", "before"), CUT)
def test_what_goes_on_from_the_maps_gives_the_features_of_the_whole(name: str, size_px: int, before: str) -> None:
    backbone = backbone_of(name, size_px)
    images = torch.randn(3, 3, size_px, size_px)
    split = cut(backbone)
    assert split.cut == before
    with torch.inference_mode():
        assert torch.equal(split.rest.feature_map(split.maps(images)), backbone.feature_map(images))


@pytest.mark.parametrize(("name", "size_px", "before"), CUT)
def test_every_trained_parameter_lies_behind_the_cut_and_learns(name: str, size_px: int, before: str) -> None:
    backbone = backbone_of(name, size_px)
    trained, split = trained_parameters(backbone, "last_stage"), cut(backbone)
    parameters = dict(split.rest.network.named_parameters())
    split.rest.feature_map(split.maps(torch.randn(2, 3, size_px, size_px))).square().sum().backward()
    assert {name for name in trained if parameters[name].grad is not None} == trained
    assert sum(p.numel() for p in split.rest.parameters()) < sum(p.numel() for p in backbone.parameters())


def test_what_was_learned_behind_the_cut_is_joined_to_what_lies_before() -> None:
    backbone, images = backbone_of("resnet18", 64), torch.randn(2, 3, 64, 64)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    split = cut(backbone)
    with torch.no_grad():
        for parameter in split.rest.network.parameters():
            parameter.mul_(1.5)
    joined = split.joined()
    changed = {name for name, tensor in joined.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all(name.startswith("network.layer4.") for name in changed)
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())
    with torch.inference_mode():
        assert torch.equal(joined.feature_map(images), split.rest.feature_map(split.maps(images)))


def test_a_network_that_is_trained_from_its_first_layer_on_has_nothing_before_a_cut() -> None:
    backbone = backbone_of("resnet18", 64)
    assert split_backbone(backbone, trained_parameters(backbone, "all")) is None


def test_a_cut_that_a_skip_leads_around_is_none() -> None:
    backbone = backbone_of("resnet18", 64)
    # The second convolution of a block: its input is not all that the block's end adds up.
    assert split_backbone(backbone, {"layer4.1.conv2.weight"}) is None


def test_a_network_that_asks_its_parts_for_more_than_maps_is_left_whole() -> None:
    backbone = backbone_of("test_vit", 160)
    assert split_backbone(backbone, trained_parameters(backbone, "last_stage")) is None


def test_the_backbone_itself_keeps_no_trace_of_having_been_watched() -> None:
    backbone = backbone_of("resnet18", 64)
    cut(backbone)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in backbone.modules())
