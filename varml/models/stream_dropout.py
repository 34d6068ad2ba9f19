"""Stream dropout: in training a video now and then lacks one of its streams, so that each learns to stand alone.

Where each stream is classified alone it would only take examples from both, and is not applied.

Neverova et al., "ModDrop: Adaptive Multi-Modal Gesture Recognition", 2015, arXiv:1501.00102.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StreamDropout(nn.Module):
    """With ``probability`` a video loses one of its streams, never all; a learned token stands for what is lost."""

    def __init__(self, streams: tuple[str, ...], width: int, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.missing = nn.ParameterDict({stream: torch.zeros(width) for stream in streams})

    def forward(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return tokens, stream to (B, T, G, W), as they are but in training."""
        return self.replace(tokens, self.draw(len(next(iter(tokens.values()))))) if self.training else tokens

    def draw(self, num_videos: int) -> Tensor:
        """Return the place of the stream that each video loses, (B,) int64, or -1."""
        place = torch.randint(len(self.missing), (num_videos,))
        return torch.where(torch.rand(num_videos) < self.probability, place, -1)

    def replace(self, tokens: dict[str, Tensor], lost: Tensor) -> dict[str, Tensor]:
        """Return tokens with those of the ``lost`` streams (see :meth:`draw`) replaced."""
        return {
            stream: torch.where((lost == place).to(values.device)[:, None, None, None], self.missing[stream], values)
            for place, (stream, values) in enumerate(tokens.items())
        }
