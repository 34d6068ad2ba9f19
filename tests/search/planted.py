"""Features that are made up, and objectives on them that other processes can make too, some with accidents."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from varml.config import Params
from varml.config.params import Views
from varml.config.views import PLAIN, View
from varml.data.dataset import FeatureSet
from varml.search.objective import Objective

NUM_VIDEOS, NUM_CLASSES = 36, 2


def make_features(dim: int) -> FeatureSet:
    rng = np.random.default_rng(dim)
    labels = np.arange(NUM_VIDEOS, dtype=np.int64) % NUM_CLASSES
    rgb = rng.normal(size=(NUM_VIDEOS, 2, 4, dim))
    rgb += 3 * labels[:, None, None, None]
    streams = {"rgb": rgb.astype(np.float16), "flow": rng.normal(size=(NUM_VIDEOS, 3, 4, dim)).astype(np.float16)}
    names = [f"video{number:02d}" for number in range(NUM_VIDEOS)]
    # In the mirror left is right and the other way round.
    mirrored = {"rgb": (3 - rgb).astype(np.float16), "flow": -streams["flow"]}
    views = {PLAIN: streams, View(mirrored=True): mirrored}
    return FeatureSet(names, views, labels, names, ["left", "right"], mirror=[1, 0], views=Views())


def planted_folds() -> list[np.ndarray]:
    return list(np.arange(NUM_VIDEOS).reshape(3, -1))


def full_disk() -> None:
    raise OSError("disk full")


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Planted:
    """Makes an objective; what it does when a trial asks for a backbone is told by the backbone's name.

    It does so in the processes of workers alone: the parent loads features for its baseline.
    """

    params: Params
    accidents: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    seconds: float = 0.0
    parent: int = field(default_factory=os.getpid)

    def __call__(self) -> Objective:
        return Objective(self.params, self.load, planted_folds())

    def load(self, backbone: str) -> FeatureSet:
        if os.getpid() != self.parent:
            time.sleep(self.seconds)
            self.accidents.get(backbone, lambda: None)()
        return make_features(dim={"small": 5}.get(backbone, 8))


FAST, SLOW = "test_resnet", "resnet18"  # timm's, for their latency is measured


@dataclass(frozen=True)
class FastAndSlow(Planted):
    """Features of two backbones: those of the slow one tell the classes apart, those of the fast one are noise."""

    def load(self, backbone: str) -> FeatureSet:
        features = super().load(backbone)
        if backbone != FAST:
            return features
        noise = {view: {"rgb": of["flow"][:, :2], "flow": of["flow"]} for view, of in features.features.items()}
        return replace(features, features=noise)


@dataclass(frozen=True)
class NoStart(Planted):
    """Ends the process that asks for an objective, unless it is the parent."""

    def __call__(self) -> Objective:
        if os.getpid() != self.parent:
            os._exit(7)
        return super().__call__()
