"""Any timm model as a backbone: images in, a map of features out, width and layout probed and not assumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from varml.errors import ModelError, VarmlError, first_line
from varml.ground.torchvision_shim import import_torchvision
from varml.models.weights import adapt_channels, load_weights

RGB = 3  # channels that pretrained weights know
# Of what is no photograph: a value from 0 to 1 with rest in the middle comes to lie between -1 and 1.
PLAIN_MEAN, PLAIN_STD = 0.5, 0.5


class Backbone(nn.Module):
    """A timm network without its classifier.

    ``name`` is timm's, ``mean`` and ``std`` are what its weights were trained with, one for each of the C channels of
    an image; ``dim`` is the width D of its feature map, ``size_px`` the side of the square images that it is built for.
    """

    def __init__(
        self, name: str, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], size_px: int
    ) -> None:
        super().__init__()
        self.name, self.network, self.in_chans, self.size_px = name, network, len(mean), size_px
        self._channels_last = _is_faster_channels_last(network)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))
        with torch.inference_mode():
            self.dim = self.eval().forward(torch.zeros(1, len(mean), size_px, size_px)).shape[1]

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map (B, D, h, w) of ``images``, (B, C, H, W) float from 0 to 1."""
        return self.feature_map(self.standardise(images))

    def standardise(self, images: Tensor) -> Tensor:
        """Return images (B, C, H, W) from 0 to 1 as the weights expect them, less ``mean`` and by ``std``."""
        return (images - self.mean) / self.std  # type: ignore[operator]

    def feature_map(self, standardised: Tensor) -> Tensor:
        """Return the feature map (B, D, h, w) of images (B, C, H, W) that are standardised already."""
        features = self.network.forward_features(self._laid_out(standardised))  # type: ignore[operator]
        if features.ndim == 3:
            features = features[:, getattr(self.network, "num_prefix_tokens", 0) :]  # (B, L, D)
            side = round(features.shape[1] ** 0.5)
            return features.transpose(1, 2).unflatten(2, (side, -1))
        if getattr(self.network, "output_fmt", "NCHW") == "NHWC":
            return features.permute(0, 3, 1, 2)
        return features

    def _laid_out(self, images: Tensor) -> Tensor:
        """Return ``images`` as the network is faster with them; layers hand the layout on.

        The map of a network that is cut in two may have other dimensions and comes as it is.
        """
        if self._channels_last and images.ndim == 4:
            return images.contiguous(memory_format=torch.channels_last)
        return images


def build_backbone(name: str, size_px: int, weights: Mapping[str, str] | None, in_chans: int = RGB) -> Backbone:
    """Return the timm model ``name`` for square images of ``size_px`` and ``in_chans`` channels, in eval mode.

    ``weights`` maps backbones to files (see :func:`varml.models.weights.load_weights`); None builds the network
    alone, for weights that the caller loads itself. Weights are those for RGB; for other channels timm's rule makes
    them of these, wherever they come from, and mean and std are 0.5, for what is no photograph. Raises WeightsError
    where the weights cannot be had, and ModelError where timm does not build the network or it gives no feature map
    at this size.
    """
    try:
        network, config = _create(name, size_px, in_chans)
        if weights is not None:
            _load(name, size_px, network, weights, in_chans)
        network.reset_classifier(0)
        if in_chans == RGB:
            return Backbone(name, network, config["mean"], config["std"], size_px).eval()
        return Backbone(name, network, (PLAIN_MEAN,) * in_chans, (PLAIN_STD,) * in_chans, size_px).eval()
    except VarmlError:
        raise
    except Exception as error:  # each of timm's thousand networks fails in its own way
        channels = "" if in_chans == RGB else f" and {in_chans} channels"
        raise ModelError(
            f"timm's {name} is no backbone for images of {size_px} px{channels} ({first_line(error)}); choose another "
            "backbone or another features.image_size_px"
        ) from error


def backbone_names() -> list[str]:
    """Return every name that timm builds, with and without the tags of pretrained weights."""
    timm = _timm()
    return sorted({*timm.list_models(), *timm.list_pretrained()})


def _is_faster_channels_last(network: nn.Module) -> bool:
    """Return whether the channels of a pixel should lie side by side in memory.

    On a CPU depthwise convolutions take as little as half the time so; dense ones gain little, and lose in batches of
    two. With torch 2.13 the gradient of FastViT's 1 x 1 convolution of 3 channels with a stride breaks the memory of
    the process there. Which other strided ones do is not known, so networks that have any keep their layout.
    """
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    strided = any(one.kernel_size == (1, 1) and max(one.stride) > 1 for one in convolutions)
    return not strided and any(one.groups == one.in_channels > 1 for one in convolutions)


def _create(name: str, size_px: int, in_chans: int) -> tuple[Any, dict[str, Any]]:
    timm = _timm()
    sized = {"img_size": size_px} if timm.models.get_pretrained_cfg_value(name, "fixed_input_size") else {}
    network = timm.create_model(name, pretrained=False, in_chans=in_chans, **sized)
    return network, timm.data.resolve_model_data_config(network)


def _load(name: str, size_px: int, network: Any, weights: Mapping[str, str], in_chans: int) -> None:
    if in_chans == RGB:
        load_weights(name, network, weights)
        return
    photographic, _ = _create(name, size_px, RGB)
    load_weights(name, photographic, weights)
    network.load_state_dict(adapt_channels(photographic.state_dict(), network.state_dict(), in_chans))


def _timm() -> Any:
    import_torchvision()
    import timm
    import timm.data
    import timm.models

    return timm
