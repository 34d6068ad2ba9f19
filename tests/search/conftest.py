"""What the tests of the search share: params, and features that are made in no time, for two backbones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import make_features, planted_folds
from searching import BROKEN, NUM_TRIALS, SPACE, Load, Made, search

from varml.config import Params, load_params
from varml.config.space import apply_values
from varml.data.dataset import FeatureSet


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shipped() -> Params:
    return load_params(Path(__file__).parents[2] / "params.yaml")


@pytest.fixture(scope="session")
def params(shipped: Params) -> Params:
    """Return the shipped params with a training that takes milliseconds."""
    return apply_values(
        shipped,
        {
            "search.objectives": ["top1"],
            "model.backbone": "small",
            "model.fusion": "rgb",
            "model.width": 8,
            "model.attention.depth": 1,
            "model.attention.num_heads": 2,
            "train.num_epochs": 4,
            "train.batch_size": 12,
            "train.lr": 1e-2,
        },
    )


@pytest.fixture(scope="session")
def folds() -> list[np.ndarray]:
    return planted_folds()


@pytest.fixture(scope="session")
def features() -> dict[str, FeatureSet]:
    """Return features in which rgb tells the classes apart and flow is noise."""
    return {"small": make_features(dim=5), "large": make_features(dim=8)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a folder that a search takes for its project, with a store of its own."""
    root = tmp_path_factory.mktemp("project")
    (root / "data").mkdir()
    (root / "data" / "manifest.csv").write_text("video_id\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
        patch.delenv("MLFLOW_REGISTRY_URI", raising=False)
        patch.setenv("DVC_ROOT", str(root))
        patch.chdir(root)
        yield root


@pytest.fixture(scope="module")
def searched(params: Params, project: Path) -> Params:
    return apply_values(
        params,
        {
            "search.space": SPACE,
            "search.num_trials": NUM_TRIALS,
            "search.sampler": "random",
            "search.num_ranked": 2,
            # Of their own, so that runs of one test are not those of another.
            "register.experiment": "searches",
        },
    )


@pytest.fixture(scope="module")
def load(features: dict[str, FeatureSet]) -> Load:
    def one(backbone: str) -> FeatureSet:
        if backbone == "broken":
            raise RuntimeError(BROKEN)
        return features[backbone]

    return one


@pytest.fixture(scope="module")
def made(
    project: Path, searched: Params, load: Load, folds: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Made:
    return search(searched, load, folds, tmp_path_factory.mktemp("studies"))
