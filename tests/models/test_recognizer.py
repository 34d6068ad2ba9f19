"""The whole model behind the backbone: encoders for the streams that its fusion reads, and no others."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from varml.config.params import Model
from varml.models.fusion import fusions
from varml.models.recognizer import Recognizer

NUM_STEPS = {"rgb": 2, "flow": 3}
DIM = 5


def build(model: Model, fusion: str, depth: int) -> Recognizer:
    attention = model.attention.model_copy(update={"depth": depth})
    torch.manual_seed(0)
    params = model.model_copy(update={"fusion": fusion, "attention": attention, "dropout": 0.0})
    return Recognizer(params, dim=DIM, num_steps=NUM_STEPS, num_classes=3)


def random_features() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {s: torch.randn(4, steps, 4, DIM, generator=generator) for s, steps in NUM_STEPS.items()}


@pytest.mark.parametrize("fusion", fusions.names())
@pytest.mark.parametrize("depth", [0, 1])
def test_gradients_reach_every_parameter(model: Model, fusion: str, depth: int) -> None:
    recognizer = build(model, fusion, depth)
    assert tuple(recognizer.encoders) == fusions[fusion].streams
    F.cross_entropy(recognizer(random_features()), torch.tensor([0, 1, 2, 0])).backward()
    without = [key for key, value in recognizer.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []


def test_each_stream_is_standardised_by_its_own_features(model: Model) -> None:
    recognizer = build(model, "concat", 0)
    features = {"rgb": torch.full((4, 2, 4, DIM), 1.0), "flow": torch.full((4, 3, 4, DIM), 2.0)}
    recognizer.fit_standardisation(features)
    means = {stream: encoder.mean.unique().tolist() for stream, encoder in recognizer.encoders.items()}
    assert means == {"rgb": [1.0], "flow": [2.0]}
