"""What the tests of training share: one thread, params, and features that are made in no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from varml.config.params import Attention, Model, Train
from varml.config.views import PLAIN
from varml.data.dataset import FeatureSet

MakeFeatures = Callable[..., FeatureSet]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model() -> Model:
    return Model(backbone="any", attention=Attention(depth=1, num_heads=2), fusion="concat", width=8, dropout=0.3)


@pytest.fixture
def train() -> Train:
    return Train(
        num_epochs=3, batch_size=12, lr=1e-3, weight_decay=0.05, label_smoothing=0.1, balance="none", augment=0
    )


@pytest.fixture(scope="session")
def make_features() -> MakeFeatures:
    """Return a maker of random features; each class moves the first feature by ``signal`` deviations."""

    def make(
        num_videos: int = 24,
        num_classes: int = 3,
        dim: int = 5,
        signal: float = 1.0,
        seed: int = 0,
        labels: npt.NDArray[np.int64] | None = None,
    ) -> FeatureSet:
        rng = np.random.default_rng(seed)
        if labels is None:
            labels = np.arange(num_videos, dtype=np.int64) % num_classes
        num_videos = len(labels)
        features: dict[str, Any] = {}
        for stream, num_steps in (("rgb", 2), ("flow", 3)):
            values = rng.normal(size=(num_videos, num_steps, 4, dim))
            values[..., :num_classes] += signal * np.eye(num_classes)[labels][:, None, None]
            features[stream] = values.astype(np.float16)
        ids = [f"video{i:02d}" for i in range(num_videos)]
        groups = [f"group{i // num_classes}" for i in range(num_videos)]
        return FeatureSet(ids, {PLAIN: features}, labels, groups, [f"class{k}" for k in range(num_classes)])

    return make
