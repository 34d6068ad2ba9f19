"""A stored project of a tiny backbone whose search confirms what it finds end to end, as its stage runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project import ROOT
from stored_project import stored_project
from tiny_weights import tiny_params, write_tiny_weights

from varml.config.space import apply_values
from varml.ground.paths import PLUGINS, WEIGHTS

OUTS = ["best.yaml", "oof.npz", "trials.csv", "baseline.json"]
VALUES = {
    "features.adapt": "none", "search.space": {"model": {"fusion": {"choices": ["rgb", "flow"]}}},
    "search.num_trials": 2, "search.pruner": "none", "search.objectives": ["top1"], "train.num_epochs": 2,
    "train.precision": "float32", "train.finetune.num_epochs": 3, "train.finetune.batch_size": 4,
    "train.finetune.lr": 1e-2, "search.confirm.top_k": 1, "search.confirm.num_folds": 2,
}  # fmt: skip


@contextmanager
def confirming_project(folder: Path) -> Iterator[Path]:
    """Make the project in ``folder``, which is the current one meanwhile."""
    params = apply_values(tiny_params(write_tiny_weights(folder / "tiny.safetensors")), VALUES)
    with stored_project(folder, params, num_training=4, num_test=1):
        for file in (PLUGINS, WEIGHTS):
            file.write_text("{}")
        yield folder


def start_search(folder: Path) -> subprocess.Popen[str]:
    """Start the stage in the project at ``folder``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.search"],
        cwd=folder, env={**inherited, "PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def run_search(folder: Path) -> str:
    """Run the stage to its end and return its output."""
    stage = start_search(folder)
    output, _ = stage.communicate(timeout=280)
    assert stage.returncode == 0, output
    return output


def outs_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "search" / name).read_bytes() for name in OUTS}
