"""What a search leaves behind: best.yaml (ranked), trials.csv, oof.npz, baseline.json. No times, no run ids."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial
from ruamel.yaml import YAML

from varml.config.params import Params
from varml.config.space import apply_values
from varml.data.manifest import write_table
from varml.errors import SearchError
from varml.ground.atomic import write_bytes, write_json
from varml.search.run import SearchResult
from varml.search.study import LOSS, REASON


def write_results(
    result: SearchResult,
    params: Params,
    video_ids: list[str],
    best: Path,
    trials: Path,
    oof: Path,
    baseline: Path,
) -> None:
    """Write the four outs of a search."""
    _write_yaml(best, best_content(result, params))
    write_table(trials, trials_table(result.trials))
    _write_oof(oof, result, video_ids)
    write_json(baseline, asdict(result.baseline))


def best_content(result: SearchResult, params: Params) -> dict[str, Any]:
    """Return the content of best.yaml: the ranked trials with their values by params path."""
    return {
        "metric": params.search.metric,
        "baseline": round(result.baseline.score, 6),
        "beats_baseline": bool(result.ranked[0].value > result.baseline.score),
        "ranked": [
            {
                "trial": trial.number,
                "value": round(float(trial.value), 6),
                "log_loss": round(float(trial.user_attrs[LOSS]), 6),
                "params": dict(trial.params),
            }
            for trial in result.ranked
        ],
    }


def read_best(path: Path) -> dict[str, Any]:
    """Return the content of best.yaml; raises SearchError where there is none."""
    if not path.is_file():
        raise SearchError(f"{path} does not exist; run `dvc repro` first")
    return dict(YAML(typ="safe", pure=True).load(path))


def winner_params(params: Params, best: dict[str, Any]) -> Params:
    """Return ``params`` with the values of the best trial."""
    return apply_values(params, best["ranked"][0]["params"])


def trials_table(trials: list[FrozenTrial]) -> pd.DataFrame:
    """Return one row per ended trial: number, state, value, log_loss, reason, and a column for each dimension."""
    rows = [
        {
            "number": trial.number,
            "state": trial.state.name,
            "value": trial.value if trial.state.name == "COMPLETE" else None,
            "log_loss": trial.user_attrs.get(LOSS),
            "reason": trial.user_attrs.get(REASON, ""),
            **trial.params,
        }
        for trial in trials
    ]
    return pd.DataFrame(rows)


def _write_oof(path: Path, result: SearchResult, video_ids: list[str]) -> None:
    # (num_ranked, N, K) in the order of best.yaml; N in the order of video_ids.
    stacked = np.stack([result.oof[trial.number] for trial in result.ranked])
    buffer = io.BytesIO()
    np.savez(buffer, video_ids=np.asarray(video_ids), probabilities=stacked)
    write_bytes(path, buffer.getvalue())


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    yaml = YAML()
    yaml.default_flow_style = False
    buffer = io.BytesIO()
    yaml.dump(content, buffer)
    write_bytes(path, buffer.getvalue())
