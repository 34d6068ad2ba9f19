"""What the tests of models share: one thread, and a tiny network with weights of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from varml.config.params import Attention, Model
from varml.models.backbones import Backbone, build_backbone

TINY = "test_resnet"  # timm's own network for tests: 96 features
TINY_SIZE_PX = 64


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_backbone() -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_backbone(TINY, TINY_SIZE_PX, None)


@pytest.fixture
def model() -> Model:
    return Model(
        backbone=TINY, attention=Attention(depth=1, num_heads=2), fusion="cross_attention", width=8, dropout=0.5
    )
