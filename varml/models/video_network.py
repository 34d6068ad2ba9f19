"""The whole model from images to logits: a backbone for each stream, then the recogniser; for training on pixels."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from varml.models.backbones import Backbone
from varml.models.features import grid_features
from varml.models.recognizer import Recognizer


class VideoNetwork(nn.Module):
    """Standardised images of the streams in, logits out; each stream has a backbone of its own.

    Batch normalisation keeps the statistics of the pretrained weights: those of a few clips, whose frames are much
    alike, are no estimate of them (the partial BN of Wang et al., "Temporal Segment Networks", 2016, arXiv:1608.00859,
    in all layers).
    """

    def __init__(self, backbones: Mapping[str, Backbone], recognizer: Recognizer, grid_size: int) -> None:
        super().__init__()
        if len({id(backbone) for backbone in backbones.values()}) < len(backbones):
            raise ValueError("two streams share a backbone; give each a copy, for they are trained apart")
        self.backbones = nn.ModuleDict({stream: backbones[stream] for stream in recognizer.streams})
        self.recognizer, self.grid_size = recognizer, grid_size

    def forward(self, images: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, K) of images by stream, (B, T, C, s, s) float32 as the backbones expect them."""
        return self.recognizer({stream: self._features(stream, images[stream]) for stream in self.recognizer.streams})

    def train(self, mode: bool = True) -> VideoNetwork:
        """Switch dropout and the like to training, and leave batch normalisation as it is."""
        super().train(mode)
        for module in self.backbones.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    @property
    def stream_backbones(self) -> dict[str, Backbone]:
        """The backbone of each stream."""
        return {stream: backbone for stream, backbone in self.backbones.items() if isinstance(backbone, Backbone)}

    def _features(self, stream: str, images: Tensor) -> Tensor:
        steps = images.flatten(0, 1)  # (B*T, C, s, s)
        return grid_features(self.stream_backbones[stream], steps, self.grid_size).unflatten(
            0, images.shape[:2]
        )  # (B, T, G, D)
