"""What a search is for, as params.yaml lists it: a metric to be maximised, and perhaps latency to be minimised."""

from __future__ import annotations

from collections.abc import Sequence

from varml.ground.registry import nearest_name

AUTO = "auto"
METRICS = (AUTO, "top1", "mean_class_accuracy", "macro_f1")
LATENCY = "latency_ms"


def objectives_fault(objectives: Sequence[str]) -> str | None:
    """Return the rule that a list of objectives breaks, with the remedy, or None where it breaks none."""
    known = (*METRICS, LATENCY)
    for unknown in (name for name in objectives if name not in known):
        near = nearest_name(unknown, list(known))
        return f"must be one of {', '.join(known)}" + (f"; did you mean {near!r}?" if near else "")
    metrics = [name for name in objectives if name in METRICS]
    if not metrics:
        reason = f"{LATENCY} alone finds the fastest network, right or wrong" if objectives else "there is none"
        return f"must begin with a metric, and {reason}; write [{AUTO}] or [{AUTO}, {LATENCY}]"
    if list(objectives) not in (metrics[:1], [metrics[0], LATENCY]):
        return f"must be one metric, and {LATENCY} behind it or not; write [{metrics[0]}] or [{metrics[0]}, {LATENCY}]"
    return None
