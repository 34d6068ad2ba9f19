"""What a search leaves behind: the ranked trials, all trials, predictions, baseline, metrics. No times, no run ids."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial
from ruamel.yaml import YAML

from varml.config.objectives import LATENCY
from varml.config.params import Params, Train
from varml.config.space import apply_values
from varml.data.manifest import write_table
from varml.errors import SearchError
from varml.ground.atomic import write_bytes, write_json
from varml.metrics.calibration import expected_calibration_error
from varml.metrics.paired import mcnemar
from varml.search.latency_results import BUDGET, latency_columns, latency_entry, latency_rule
from varml.search.run import SearchResult
from varml.search.study import FITTED, LOSS, REASON, value_of
from varml.training.calibration import cross_calibrated
from varml.training.loop import Probabilities
from varml.training.out_of_fold import OutOfFold, write_oof


def write_results(
    result: SearchResult,
    params: Params,
    best: Path,
    trials: Path,
    oof: Path,
    baseline: Path,
    metrics: Path,
) -> None:
    """Write the five outs of a search."""
    content = best_content(result, params)
    _write_yaml(best, content)
    write_table(trials, trials_table(result.trials, result.front))
    write_oof(oof, result.oof)
    write_json(baseline, asdict(result.baseline))
    write_json(metrics, search_metrics(result, content))


def search_metrics(result: SearchResult, best: dict[str, Any]) -> dict[str, Any]:
    """Return what ``dvc exp show`` puts into its columns: the best value, how many trials ended how, the winner."""
    states = Counter(trial.state.name.lower() for trial in result.trials)
    first = best["ranked"][0]
    return {
        "value": first["value"],
        **({LATENCY: first[LATENCY]} if LATENCY in first else {}),
        "metric": best["metric"],
        "baseline": best["baseline"],
        "num_trials": len(result.trials),
        **{f"num_{state}": states[state] for state in ("complete", "pruned", "fail")},
        "winner": first["params"],
    }


def best_content(result: SearchResult, params: Params) -> dict[str, Any]:
    """Return the content of best.yaml: the ranked trials with their values by params path."""
    oof = result.oof.validated()
    return {
        "metric": params.search.metric,
        "baseline": round(result.baseline.score, 6),
        "beats_baseline": bool(value_of(result.ranked[0]) > result.baseline.score),
        **_second(oof),
        **latency_rule(result, params),
        "ranked": [
            {**_entry(trial, oof, oof.probabilities[rank]), **latency_entry(result, trial.number)}
            for rank, trial in enumerate(result.ranked)
        ],
    }


def _second(oof: OutOfFold) -> dict[str, float]:
    """Return the p-value of McNemar's test of the best trial and the second, by which validated videos are right."""
    if len(oof.probabilities) < 2:
        return {}
    first, second = (probabilities.argmax(1) == oof.labels for probabilities in oof.probabilities[:2])
    return {"p_second": round(mcnemar(first, second), 6)}


def _entry(trial: FrozenTrial, oof: OutOfFold, probabilities: Probabilities) -> dict[str, Any]:
    """Return what best.yaml says of one trial; ``ece`` is its calibration error, before and after a temperature."""
    calibrated = cross_calibrated(oof, probabilities)
    fitted = trial.user_attrs.get(FITTED)
    return {
        "trial": trial.number,
        "value": round(value_of(trial), 6),
        "log_loss": round(float(trial.user_attrs[LOSS]), 6),
        "ece": round(expected_calibration_error(oof.labels, probabilities), 6),
        "ece_calibrated": round(expected_calibration_error(oof.labels, calibrated), 6),
        "params": dict(trial.params),
        **({"fitted": dict(fitted)} if fitted else {}),
    }


def read_best(path: Path) -> dict[str, Any]:
    """Return the content of best.yaml; raises SearchError where there is none."""
    if not path.is_file():
        raise SearchError(f"{path} does not exist; run `dvc repro` first")
    return dict(YAML(typ="safe", pure=True).load(path))


def winner_params(params: Params, best: dict[str, Any]) -> Params:
    """Return ``params`` with the values of the best trial."""
    return ranked_params(params, best, 0)


def ranked_params(params: Params, best: dict[str, Any], rank: int) -> Params:
    """Return ``params`` with the values of the trial at ``rank``, 0 for the best."""
    return apply_values(params, best["ranked"][rank]["params"])


def fitted_values(best: dict[str, Any], rank: int) -> dict[str, float]:
    """Return what was fitted on the out-of-fold predictions of the trial at ``rank``, by the name of the buffer."""
    return dict(best["ranked"][rank].get("fitted", {}))


def allowed_training(params: Params, best: dict[str, Any]) -> Train:
    """Return ``params.train``, without an ensemble where a budget of latency was kept: its members take their time."""
    if BUDGET not in best:
        return params.train
    return apply_values(params, {"train.ensemble.max_members": 1}).train


def trials_table(trials: list[FrozenTrial], front: list[FrozenTrial] | None = None) -> pd.DataFrame:
    """Return one row per ended trial: number, state, value, log_loss, reason, and a column for each dimension.

    Where latency is weighed and Pareto's ``front`` is therefore given, latency_ms and pareto stand behind the value.
    """
    rows = [
        {
            "number": trial.number,
            "state": trial.state.name,
            "value": value_of(trial) if trial.state.name == "COMPLETE" else None,
            **latency_columns(trial, front),
            "log_loss": trial.user_attrs.get(LOSS),
            "reason": trial.user_attrs.get(REASON, ""),
            **trial.params,
        }
        for trial in trials
    ]
    return pd.DataFrame(rows)


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    yaml = YAML()
    yaml.default_flow_style = False
    buffer = io.BytesIO()
    yaml.dump(content, buffer)
    write_bytes(path, buffer.getvalue())
