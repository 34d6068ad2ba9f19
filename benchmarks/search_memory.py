"""Many trials on small made-up features: whether the memory of a search grows with their number.

The stage itself runs, with Optuna's journal and MLflow's database, on features of random numbers: 24 videos of two
classes, 8 numbers a cell, two epochs a training. Memory is the resident set of the stage's process at each trial's
line.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from safetensors.numpy import save

from benchmarks.report import Figure
from benchmarks.search_project import ROOT, run_search, set_values
from varml.config import Params, load_params
from varml.config.space import searched_views
from varml.config.views import stored_views
from varml.data.manifest import write_table
from varml.ground.atomic import write_bytes
from varml.models.feature_files import feature_files

NUM_VIDEOS, NUM_CLASSES, DIM, MIB = 24, 2, 8, 2**20
# Libraries are still being loaded before.
WARM_TRIALS = 50
# Optuna keeps all trials of a study in memory; so much is no leak.
GOAL_KIB_A_TRIAL = 50
SMALL = {
    "engine.num_workers": 1,
    "frames.num_segments": 2,
    "model.width": 8,
    "model.attention.num_heads": 2,
    "train.num_epochs": 2,
    "search.num_folds": 2,
    "search.space": {
        "model": {"fusion": {"choices": ["rgb", "flow", "concat", "late"]}, "pooling": {"choices": ["mean", "thirds"]}},
        "train": {"lr": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}},
    },
}


def measure_memory(work: Path, num_trials: int) -> list[Figure]:
    """Return how memory goes with trials, and how many of them search/trials.csv lists."""
    folder = work.resolve() / "memory"
    if not folder.exists():
        make_features(folder)
    set_values(folder / "params.yaml", {"search.num_trials": num_trials})
    taken: list[float] = []
    searched = run_search(folder, threads=1, on_trial=lambda pid: taken.append(psutil.Process(pid).memory_info().rss))
    if len(taken) <= 2 * WARM_TRIALS:
        raise RuntimeError(f"{len(taken)} trials were run and {2 * WARM_TRIALS} are needed; remove {folder}")
    rss = np.asarray(taken) / MIB
    slope = np.polyfit(np.arange(WARM_TRIALS, len(rss)), rss[WARM_TRIALS:], 1)[0]
    listed = len(pd.read_csv(folder / "search" / "trials.csv"))
    name = f"{num_trials} trials"
    return [
        Figure(f"{name}: memory after {WARM_TRIALS}", float(rss[WARM_TRIALS]), "MiB"),
        Figure(f"{name}: memory after the last", float(rss[-1]), "MiB"),
        Figure(f"{name}: growth", float(slope) * 1024, "KiB a trial", GOAL_KIB_A_TRIAL),
        Figure(f"{name}: rows of search/trials.csv", listed, "", num_trials, at_least=True),
        Figure(f"{name}: the whole search", searched.wall_sec, "s"),
    ]


def make_features(folder: Path) -> None:
    """Make a project in ``folder`` that has params, a manifest and features, and no videos."""
    for name in ("data", "search", "metrics"):
        (folder / name).mkdir(parents=True)
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    set_values(folder / "params.yaml", SMALL)
    rows = _rows()
    write_table(folder / "data" / "manifest.csv", rows)
    _write_features(rows, load_params(folder / "params.yaml"), folder)


def _rows() -> pd.DataFrame:
    names = [f"video{number:02d}" for number in range(NUM_VIDEOS)]
    return pd.DataFrame(
        {"video_id": names, "digest": names, "path": [f"{name}.mp4" for name in names], "reader": "pyav",
         "label": [f"class{number % NUM_CLASSES}" for number in range(NUM_VIDEOS)],
         "group": [f"group{number // 4}" for number in range(NUM_VIDEOS)], "split": "train",
         "start_sec": "", "end_sec": "", "fps": 25.0}
    )  # fmt: skip


def _write_features(rows: pd.DataFrame, params: Params, folder: Path) -> None:
    rng = np.random.default_rng(0)
    num_steps = {"rgb": params.frames.num_segments, "flow": params.frames.num_segments}
    for view in stored_views(searched_views(params)):
        for file in feature_files(rows, params, params.model.backbone, folder, view=view):
            shapes = {stream: (steps, params.features.grid_size**2, DIM) for stream, steps in num_steps.items()}
            write_bytes(file, save({s: rng.normal(size=shape).astype(np.float16) for s, shape in shapes.items()}))
