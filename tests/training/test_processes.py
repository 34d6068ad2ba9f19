"""Several processes train what one trains: each takes its rows of every batch, and gradients are averaged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from launched import CASES

SCRIPT = Path(__file__).with_name("launched.py")
LAUNCHERS = {
    "torchrun": ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--standalone"],
    "fabric run": ["-m", "lightning_fabric.cli", "--accelerator", "cpu", "--devices", "2"],
}


def launch(options: list[str], file: Path) -> dict[str, Any]:
    """Run the script under a launcher and return what it wrote."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *options, str(SCRIPT), str(file)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return torch.load(file, weights_only=True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return launch([], tmp_path_factory.mktemp("alone") / "results.pt")


@pytest.fixture(scope="module", params=LAUNCHERS)
def together(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    results = launch(LAUNCHERS[request.param], tmp_path_factory.mktemp("together") / "results.pt")
    assert results["num_processes"] == 2
    return results


@pytest.mark.parametrize("name", CASES)
def test_two_processes_give_the_losses_and_the_weights_of_one(
    alone: dict[str, Any], together: dict[str, Any], name: str
) -> None:
    assert alone["num_processes"] == 1
    one, two = alone[name], together[name]
    assert len(two["losses"]) == 3
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-5)
    for key, value in one["weights"].items():
        assert torch.allclose(two["weights"][key], value, atol=1e-5), key


def test_cases_differ_from_each_other(alone: dict[str, Any]) -> None:
    losses = [tuple(round(loss, 4) for loss in alone[name]["losses"]) for name in CASES if name != "average"]
    assert len(set(losses)) == len(losses)


def test_both_processes_go_on_from_the_checkpoint_of_the_first(together: dict[str, Any]) -> None:
    first, resumed = together["first"], together["resumed"]
    assert resumed["losses"] == first["losses"]
    assert all(torch.equal(resumed["weights"][key], value) for key, value in first["weights"].items())


def test_processes_agree_on_a_precision(together: dict[str, Any]) -> None:
    assert len(together["auto"]["losses"]) == 3
