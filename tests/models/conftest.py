"""What the tests of models share: one thread, and a tiny network with weights of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tiny_model
import torch

from varml.config.params import Model
from varml.models.backbones import Backbone


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_backbone() -> Backbone:
    return tiny_model.tiny_backbone()


@pytest.fixture
def model() -> Model:
    return tiny_model.tiny_params()
