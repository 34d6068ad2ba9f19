"""The search: what a trial on cached features costs, how good its sampler is, whether memory grows, and what kills do.

``python -m benchmarks.search --work DIR`` measures all parts on the embedded sample; ``--part`` chooses some of
them, ``--source`` and ``--annotations`` name other videos for the quality, and ``--data`` which of both are searched.
What is done lies in ``--work`` and is not done again: a search that was killed goes on from its last trial. Quality
takes hours; ``--seeds 0-1``, ``--trials`` and ``--workers`` (studies side by side) choose what fits.

The cost compares wall times of one machine, so nothing else should run on it: :mod:`benchmarks.search_cost` says how
the end-to-end trial is measured, :mod:`benchmarks.search_quality` what random search is here,
:mod:`benchmarks.search_memory` what is searched there, and :mod:`benchmarks.search_kills` what is killed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Figure, report
from benchmarks.search_cost import measure_cost
from benchmarks.search_kills import measure_kills
from benchmarks.search_memory import measure_memory
from benchmarks.search_quality import Data, measure_quality

PARTS = ("cost", "quality", "memory", "kills")
RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    figures = [figure for part in arguments.part for figure in _measure(part, arguments)]
    report("the search", figures, arguments.json)


def _measure(part: str, arguments: argparse.Namespace) -> Iterator[Figure]:
    if part == "cost":
        yield from measure_cost(arguments.work, arguments.epochs, arguments.confirmations)
    elif part == "memory":
        yield from measure_memory(arguments.work, arguments.memory_trials)
    elif part == "kills":
        yield from measure_kills(arguments.work)
    else:
        for data in _chosen(arguments):
            yield from measure_quality(
                data, arguments.work, arguments.seeds, arguments.trials, arguments.workers, arguments.pictures
            )


def _chosen(arguments: argparse.Namespace) -> Iterator[Data]:
    if arguments.data in (None, "sample"):
        yield Data("sample", "sample")
    if arguments.source and arguments.data in (None, arguments.source.name):
        yield Data(arguments.source.name, str(arguments.source.resolve()), arguments.annotations)


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for what is stored and done")
    parser.add_argument("--part", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--source", type=Path, help="quality: folder of labelled videos beside the sample")
    parser.add_argument("--annotations", help="CSV in that folder; default: one folder per class")
    parser.add_argument("--data", help="quality: sample, or the name of that folder; default: both")
    parser.add_argument("--seeds", type=_seeds, default=range(5), help="quality: such as 0-4")
    parser.add_argument("--trials", type=int, default=40, help="quality: of each study")
    parser.add_argument("--workers", type=int, default=2, help="quality: studies side by side")
    parser.add_argument("--pictures", type=Path, default=RESULTS, help="quality: folder for the curves")
    parser.add_argument("--epochs", type=int, help="cost: of an end-to-end training; default: train.finetune")
    parser.add_argument("--confirmations", type=int, default=1, help="cost: trainings on one fold that end it")
    parser.add_argument("--memory-trials", type=int, default=1000, help="memory: of its study")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
