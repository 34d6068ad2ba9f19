"""What lies outside the project and may change or fail behind DVC's back: weights files and a tracking server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from project import ROOT, free_port

from pipelines import check, scan
from varml.config import load_params
from varml.config.params import Params
from varml.config.space import apply_values
from varml.errors import TrackingError, WeightsError

BACKBONES = ["tf_efficientnet_lite0", "tf_efficientnet_lite1"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the shipped params and files that scanning takes for videos."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / ".dvc").mkdir()
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for number in range(10):
        file = tmp_path / "sample" / ("run" if number % 2 else "wave") / f"{number}.mp4"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes([number]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def params(root: Path) -> Params:
    """The shipped params with a weights file for the first backbone."""
    (root / "own.safetensors").write_bytes(b"weights")
    return apply_values(load_params(), {"features.weights": {BACKBONES[0]: "own.safetensors"}})


def weights(params: Params) -> dict[str, str]:
    scan.main(params)
    return dict(json.loads(Path("data/weights.json").read_text()))


def test_weights_that_change_behind_their_name_change_an_out(root: Path, params: Params) -> None:
    before = weights(params)
    assert list(before) == BACKBONES
    content = Path("data/weights.json").read_bytes()
    assert weights(params) == before
    assert Path("data/weights.json").read_bytes() == content
    (root / "own.safetensors").write_bytes(b"WEIGHTS")
    after = weights(params)
    assert after[BACKBONES[0]] != before[BACKBONES[0]]
    assert after[BACKBONES[1]] == before[BACKBONES[1]]


def test_weights_of_the_flow_estimator_are_watched_too(root: Path, params: Params) -> None:
    (root / "raft.pth").write_bytes(b"weights")
    raft = apply_values(params, {"flow.estimator": "raft_small", "flow.weights": {"raft_small": "raft.pth"}})
    before = weights(raft)
    assert set(before) == {*BACKBONES, "raft_small"}
    (root / "raft.pth").write_bytes(b"WEIGHTS")
    assert weights(raft)["raft_small"] != before["raft_small"]


def test_weights_that_have_gone_end_the_scan(root: Path, params: Params) -> None:
    (root / "own.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"names 'own\.safetensors' .* which is no file"):
        scan.main(params)


@pytest.mark.usefixtures("root")
def test_a_tracking_server_that_is_down_is_noticed_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TrackingError, match="does not answer"):
        check.main()
    assert not Path("data").exists()
