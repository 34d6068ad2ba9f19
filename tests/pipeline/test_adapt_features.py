"""The stage that adapts backbones: it does what is missing and nothing else, and a kill costs one adaptation."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from project import ROOT
from stored_project import stored_project
from tiny_weights import tiny_params, write_tiny_weights

from pipelines.adapt_features import main
from varml.config import Params, load_params
from varml.config.space import apply_values
from varml.ground.paths import ADAPTED, ADAPTED_STREAMS

Bytes = dict[str, bytes]


@pytest.fixture(scope="module")
def finished_stage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bytes]:
    """A stored project whose backbones are adapted, and what was written."""
    folder = tmp_path_factory.mktemp("stage")
    weights = write_tiny_weights(folder / "tiny.safetensors")
    params = tiny_params(weights)
    with stored_project(folder, params, num_training=2, num_test=1):
        main(load_params())
        return folder, written()


@pytest.fixture
def project(finished_stage: tuple[Path, Bytes], monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(finished_stage[0])
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return load_params()


def written() -> Bytes:
    return {file.name: file.read_bytes() for file in ADAPTED.rglob("*.safetensors")}


def times() -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in ADAPTED.rglob("*.safetensors")}


def test_each_fold_has_features_and_the_last_one_a_backbone_too(finished_stage: tuple[Path, Bytes]) -> None:
    names = sorted(finished_stage[1])
    assert len(names) == 4
    assert sum(name.endswith(".weights.safetensors") for name in names) == 1
    assert not (finished_stage[0] / ".varml" / "adapting").exists()


def test_a_second_run_computes_nothing(project: Params) -> None:
    before = times()
    main(project)
    assert times() == before


def test_another_seed_is_computed_beside_what_is_there(project: Params, finished_stage: tuple[Path, Bytes]) -> None:
    before = times()
    main(apply_values(project, {"seed": 5}))
    after = times()
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * len(before)
    for name in after.keys() - before.keys():
        next(ADAPTED.rglob(name)).unlink()


def test_nothing_is_adapted_unless_that_is_asked_for(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    script = (
        "import sys; from pipelines.adapt_features import main; from varml.config import load_params\n"
        "main(load_params())\n"
        "print(sorted({'torch', 'timm', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert list((tmp_path / ADAPTED).iterdir()) == [tmp_path / ADAPTED_STREAMS]
    assert (tmp_path / ADAPTED_STREAMS).read_text().split() == ["[]"]


@pytest.mark.usefixtures("project")
def test_a_stage_that_is_killed_goes_on_and_ends_with_the_same_bytes(finished_stage: tuple[Path, Bytes]) -> None:
    for file in list(ADAPTED.rglob("*.safetensors")):
        file.unlink()
    stage = subprocess.Popen([sys.executable, "-m", "pipelines.adapt_features"], env=environment())
    wait_until(lambda: bool(list(ADAPTED.rglob("*.safetensors"))) or stage.poll() is not None)
    stage.send_signal(signal.SIGKILL)
    stage.wait()
    kept = times()
    assert 0 < len(kept) < len(finished_stage[1])
    assert Path(".varml/adapting").exists()
    main(load_params())
    assert written() == finished_stage[1]
    assert {name: times()[name] for name in kept} == kept
    assert not Path(".varml/adapting").exists()


def environment() -> dict[str, str]:
    return {**{k: v for k, v in os.environ.items() if not k.startswith("DVC_")}, "PYTHONPATH": str(ROOT)}


def wait_until(done: Callable[[], bool], timeout_sec: float = 120) -> None:
    end = time.monotonic() + timeout_sec
    while not done():
        assert time.monotonic() < end
        time.sleep(0.002)
