"""RAFT with weights of a seeded random network in a file: how they are found, and what must hold whatever they are."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from varml.config.params import Flow as FlowParams
from varml.errors import WeightsError
from varml.flow.estimator import estimate_flow, make_estimator, weights_identity
from varml.flow.estimators.raft import Raft
from varml.flow.estimators.raft_small import RaftSmall
from varml.flow.store import flow_key
from varml.ground.torchvision_shim import import_torchvision

import_torchvision()
from torchvision.models import optical_flow  # noqa: E402

SMALL = "raft_small"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with weights of ``raft_small`` in both kinds of file, and others."""
    root = tmp_path_factory.mktemp("project")
    with torch.random.fork_rng():
        for seed in (0, 1):
            torch.manual_seed(seed)
            state = optical_flow.raft_small(weights=None).state_dict()
            save_file(state, root / f"{seed}.safetensors")
            torch.save(state, root / f"{seed}.pth")
    return root


@pytest.fixture
def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That project as the current one, without a network and with an empty hub cache."""
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch_home"))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    # The opener that urlopen keeps knows other proxies, or would hand these on to the tests that follow.
    monkeypatch.setattr(urllib.request, "_opener", None)
    return folder


@pytest.fixture
def pair(make_texture: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return make_texture(40, 70), make_texture(40, 70, seed=1)


@pytest.mark.parametrize("kind", [Raft, RaftSmall])
def test_the_file_of_the_hub_is_torchvisions_default(kind: type[Raft]):
    (name,) = [n for n in dir(optical_flow) if n.lower() == f"{kind.architecture}_weights"]
    assert getattr(optical_flow, name).DEFAULT.url == f"https://download.pytorch.org/models/{kind.hub_file}"


def test_both_kinds_of_file_give_one_flow_and_other_weights_another(project: Path, pair: tuple):
    names = ("0.safetensors", "0.pth", "1.pth")
    first, same, other = (make_estimator(SMALL, {SMALL: name}).estimate(*pair) for name in names)
    assert first.shape == (40, 70, 2)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (63, 131), (16, 200), (144, 136)])
def test_every_pixel_of_any_size_has_a_displacement(
    project: Path, make_texture: Callable[..., np.ndarray], shape: tuple[int, int]
):
    flow = make_estimator(SMALL, {SMALL: "0.pth"}).estimate(make_texture(*shape), make_texture(*shape, seed=1))
    assert flow.shape == (*shape, 2)
    assert flow.flags.c_contiguous
    assert np.isfinite(flow).all()


def test_the_same_pair_gives_the_same_flow_whatever_came_before(
    project: Path, pair: tuple, make_texture: Callable[..., np.ndarray]
):
    fresh = make_estimator(SMALL, {SMALL: "0.pth"}).estimate(*pair)
    used = make_estimator(SMALL, {SMALL: "0.pth"})
    used.estimate(make_texture(150, 30), make_texture(150, 30, seed=2))
    np.testing.assert_array_equal(used.estimate(*pair), fresh)


def test_frames_get_flow_inside_each_segment(project: Path, frames: np.ndarray):
    assert estimate_flow(frames[:, :2], SMALL, {SMALL: "0.pth"}).shape == (2, 1, 64, 80, 2)


def test_weights_that_cannot_be_had_are_an_error_with_the_remedy(project: Path):
    with pytest.raises(WeightsError, match=r"raft_small are not in .*torch_home/hub/checkpoints.*TORCH_HOME.*flow\.we"):
        make_estimator(SMALL)


def test_the_hubs_cache_is_enough(project: Path, pair: tuple, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / RaftSmall.hub_file
    cached.parent.mkdir(parents=True)
    cached.write_bytes((project / "1.pth").read_bytes())
    by_file = make_estimator(SMALL, {SMALL: "1.pth"}).estimate(*pair)
    np.testing.assert_array_equal(make_estimator(SMALL).estimate(*pair), by_file)


def test_a_named_file_that_is_missing(project: Path):
    with pytest.raises(WeightsError, match=r"flow\.weights names 'no\.pth' for raft_small, which is no file"):
        make_estimator(SMALL, {SMALL: "no.pth"})


def test_weights_of_another_network(project: Path):
    with pytest.raises(WeightsError, match=r"0\.pth does not hold the weights of raft_large"):
        make_estimator("raft", {"raft": "0.pth"})


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_file_of_wrong_bytes(project: Path, tmp_path: Path, suffix: str):
    bad = tmp_path / f"bad.{suffix}"
    bad.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=rf"bad\.{suffix} must be a safetensors file"):
        make_estimator(SMALL, {SMALL: str(bad)})


def test_the_weights_and_not_their_place_change_the_name(project: Path, tmp_path: Path):
    def key(weights: dict[str, str]) -> str:
        return flow_key("frames", FlowParams(estimator=SMALL, bound_px=16, jpeg_quality=95, weights=weights))

    copy = tmp_path / "copy.pth"
    copy.write_bytes((project / "0.pth").read_bytes())
    assert key({SMALL: "0.pth"}) == key({SMALL: str(copy)})
    assert len({key({}), key({SMALL: "0.pth"}), key({SMALL: "1.pth"})}) == 3


def test_an_estimator_without_weights_has_no_identity_of_them():
    assert weights_identity("dis", {}) is None
    assert weights_identity(SMALL, {}) == RaftSmall.hub_file
