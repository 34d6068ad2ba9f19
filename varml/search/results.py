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
from varml.search.confirmation.candidates import Candidate, candidate_of
from varml.search.confirmation.confirm import Confirmation
from varml.search.latency_results import BUDGET, latency_columns, latency_entry, latency_rule
from varml.search.run import SearchResult
from varml.search.study import LOSS, REASON, value_of
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
    confirmation: Confirmation | None = None,
) -> None:
    """Write the five outs of a search, by what its ``confirmation`` found where there was one."""
    content = best_content(result, params, confirmation)
    _write_yaml(best, content)
    write_table(trials, trials_table(result.trials, result.front))
    write_oof(oof, confirmation.oof if confirmation else result.oof)
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
        **_confirmation_metrics(best),
    }


def _confirmation_metrics(best: dict[str, Any]) -> dict[str, Any]:
    found = best.get("confirmation")
    if found is None:
        return {}
    return {"confirmation": {name: found[name] for name in ("spearman", "num", "num_failed")}}


def best_content(result: SearchResult, params: Params, confirmation: Confirmation | None = None) -> dict[str, Any]:
    """Return the content of best.yaml: the ranked trials with their values by params path.

    After a ``confirmation`` all that competed is ranked, and every figure is of the videos that it validated.
    """
    ranked = confirmation.ranked if confirmation else [candidate_of(trial) for trial in result.ranked]
    baseline = confirmation.baseline if confirmation else result.baseline.score
    oof = (confirmation or result).oof.validated()
    return {
        "metric": params.search.metric,
        "baseline": round(baseline, 6),
        "beats_baseline": bool(ranked[0].value > baseline),
        **_second(oof),
        **latency_rule(result, params),
        **(_confirmed(confirmation) if confirmation else {}),
        "ranked": [
            {**_entry(one, oof, said), **latency_entry(result, one.trial)}
            for one, said in zip(ranked, oof.probabilities, strict=True)
        ],
    }


def _confirmed(confirmation: Confirmation) -> dict[str, Any]:
    """Return how far the order of cached features is that of training end to end, and on how much this rests."""
    correlation, oof = confirmation.correlation, confirmation.oof.validated()
    spearman, interval = correlation.spearman, correlation.interval
    return {
        "confirmation": {
            "spearman": None if spearman is None else round(spearman, 6),
            "interval": None if interval is None else [round(end, 6) for end in interval],
            "num": correlation.num,
            "num_failed": confirmation.num_failed,
            "num_folds": len(oof.positions),
            "num_videos": len(oof.labels),
        }
    }


def _second(oof: OutOfFold) -> dict[str, float]:
    """Return the p-value of McNemar's test of the best trial and the second, by which validated videos are right."""
    if len(oof.probabilities) < 2:
        return {}
    first, second = (probabilities.argmax(1) == oof.labels for probabilities in oof.probabilities[:2])
    return {"p_second": round(mcnemar(first, second), 6)}


def _entry(candidate: Candidate, oof: OutOfFold, probabilities: Probabilities) -> dict[str, Any]:
    """Return what best.yaml says of one candidate; ``ece`` is its calibration error, before and after a temperature."""
    calibrated = cross_calibrated(oof, probabilities)
    cached = candidate.cached_value
    return {
        "trial": candidate.trial,
        "value": round(candidate.value, 6),
        **({} if cached is None else {"cached_value": round(cached, 6), "confirmed": True}),
        "log_loss": round(candidate.log_loss, 6),
        "ece": round(expected_calibration_error(oof.labels, probabilities), 6),
        "ece_calibrated": round(expected_calibration_error(oof.labels, calibrated), 6),
        "params": candidate.params,
        **({"fitted": dict(candidate.fitted)} if candidate.fitted else {}),
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


def is_confirmed(best: dict[str, Any], rank: int) -> bool:
    """Return whether what stands at ``rank`` was validated by training end to end."""
    return bool(best["ranked"][rank].get("confirmed", False))


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
