"""The table that ends ``dvc repro``: winner, baseline, test figures, where to look."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from varml.tracking.registry.versions import Registered
from varml.tracking.store import ui_command

# Of McNemar's test: above it two trials are not told apart.
P_APART = 0.05


def print_report(best: dict[str, Any], metrics: dict[str, Any], model_name: str, registered: Registered) -> None:
    """Print what the pipeline found."""
    console = Console(soft_wrap=True, highlight=False)
    console.print(_table(best, metrics, model_name, registered))
    if not best["beats_baseline"]:
        console.print("The search did not beat the baseline: more videos, trials or another space may.")
    if best.get("p_second", 0) > P_APART:
        console.print(
            f"Validation cannot tell the best trial from the second (p = {best['p_second']:.2g}): more videos could."
        )
    console.print(f"Look at every run: [bold]{ui_command()}[/bold]")


def _table(best: dict[str, Any], metrics: dict[str, Any], model_name: str, registered: Registered) -> Table:
    winner = best["ranked"][0]
    table = Table(title="varml", show_header=False, title_justify="left")
    for path, value in winner["params"].items():
        table.add_row(f"winner {path}", f"{value:.2g}" if isinstance(value, float) else str(value))
    table.add_row(f"validation {best['metric']}", f"{winner['value']:.3f}  (baseline {best['baseline']:.3f})")
    if "confirmation" in best:
        _add_confirmation(table, best)
    if "latency_ms" in winner:
        budget = f"  (budget {best['latency_budget_ms']:g} ms)" if "latency_budget_ms" in best else ""
        table.add_row("winner latency", f"{winner['latency_ms']:.1f} ms{budget}")
    if metrics["num_members"] > 1:
        table.add_row("served", f"the mean of {metrics['num_members']} of the best trials")
    interval = f"{metrics['top1_low']:.3f} to {metrics['top1_high']:.3f}"
    table.add_row("test top-1", f"{metrics['top1']:.3f}  ({interval}, {metrics['num_videos']} videos)")
    table.add_row("test baseline top-1", f"{metrics['baseline_top1']:.3f}")
    table.add_row("test macro F1", f"{metrics['macro_f1']:.3f}")
    error = f"{metrics['ece']:.3f}  ({metrics['ece_uncalibrated']:.3f} before the temperature)"
    table.add_row("test calibration error", error)
    if metrics["coverage"] < 1:
        right = f", of which {metrics['selective_top1']:.3f} are right" if "selective_top1" in metrics else ""
        table.add_row("answered", f"{metrics['coverage']:.3f}{right}")
    table.add_row("registered", f"{model_name} version {registered.version} @challenger")
    table.add_row("@champion", f"version {registered.champion}")
    return table


def _add_confirmation(table: Table, best: dict[str, Any]) -> None:
    """Add how many were trained end to end, and how far they then have the order of cached features."""
    found, count = best["confirmation"], sum(bool(entry.get("confirmed")) for entry in best["ranked"])
    failed = f", {found['num_failed']} failed" if found["num_failed"] else ""
    table.add_row("trained end to end", f"{count} on {found['num_videos']} validated videos{failed}")
    if found["spearman"] is not None:
        interval = "" if found["interval"] is None else "{:.2f} to {:.2f}, ".format(*found["interval"])
        table.add_row("rank correlation", f"{found['spearman']:.2f}  ({interval}{found['num']} trials, with frozen)")
