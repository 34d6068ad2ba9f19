"""The outcomes of :mod:`benchmarks.motion` as Markdown, with what a reader needs to repeat them."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.known_warps import Quality
from benchmarks.probe import CONFIDENCE, Hits
from varml.config import Params

PACKAGES = ("opencv-python-headless", "torch", "timm", "scikit-learn")


@dataclass(frozen=True)
class Outcome:
    """What flow by one way is worth: on known warps, to the probe alone, and beside RGB."""

    quality: Quality
    flow: Hits
    late: Hits


def table(rgb: Hits, outcomes: dict[str, Outcome], left_out: list[str], params: Params) -> str:
    """Return all outcomes, in the order of their end-point error."""
    ranked = sorted(outcomes.items(), key=lambda item: item[1].quality.error_px)
    default = outcomes[params.flow.estimator]
    sets = sorted(rgb.rows["set"].unique())
    columns = [f"{stream}, {name}" for name in sets for stream in ("flow", "RGB and flow")]
    head = ["estimator", "error px", "ms a pair", *columns, "flow, all", f"flow, all, against {params.flow.estimator}"]
    lines = [*_conditions(rgb, params), "", _row(head), _row(["---"] * len(head))]
    lines += [_row([name, *_cells(outcome, default, sets)]) for name, outcome in ranked]
    lines += [_row(["RGB alone", "", "", *[x for name in sets for x in (_share(rgb, name), "")], _share(rgb), ""])]
    # Where this user's files lie is nobody else's business.
    reasons = [f"- {line}".replace(str(Path.home()), "~") for line in left_out]
    return "\n".join([*lines, "", *reasons]).strip()


def _conditions(rgb: Hits, params: Params) -> Iterator[str]:
    rows, frames = rgb.rows, params.frames
    groups = rows.groupby("set")["group"].agg(["size", "nunique"])
    of_sets = "; ".join(f"{name}: {clips} clips, {number} groups" for name, clips, number in groups.itertuples())
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    yield f"`python -m benchmarks.motion {' '.join(_shown_arguments())}`"
    yield ""
    yield f"- {datetime.now(UTC):%Y-%m-%d}, one thread, {platform.machine()}, {versions}"
    yield f"- {of_sets}; {frames.num_frames} frames of {frames.short_side_px} px a clip; " + (
        f"{params.model.backbone} at {params.features.image_size_px} px, flow_images: {params.features.flow_images}"
    )
    yield f"- in brackets: {CONFIDENCE:.0%} intervals, Wilson's of shares, a bootstrap over groups of differences"


def _shown_arguments() -> Iterator[str]:
    """Yield the arguments of the command without the places of this machine."""
    for name, value in zip(sys.argv[1::2], sys.argv[2::2], strict=False):
        yield f"{name} {value if name == '--annotations' else name[2:].upper()}"


def _cells(outcome: Outcome, default: Outcome, sets: list[str]) -> Iterator[str]:
    yield f"{outcome.quality.error_px:.3f}"
    yield f"{1e3 * outcome.quality.seconds:.1f}"
    for name in sets:
        yield _share(outcome.flow, name)
        yield f"{outcome.late.accuracy(name):.2f}"
    yield _share(outcome.flow)
    yield "" if outcome is default else "{:+.3f} ({:+.3f} to {:+.3f})".format(*outcome.flow.gain(default.flow))


def _share(hits: Hits, name: str | None = None) -> str:
    low, high = hits.interval(name)
    return f"{hits.accuracy(name):.2f} ({low:.2f} to {high:.2f})"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
