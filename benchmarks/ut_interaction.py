"""UT-Interaction, one sequence of a set left out at a time: what each part is worth, every choice made inside.

``python -m benchmarks.ut_interaction --source DIR --annotations manifest.csv --work DIR`` takes labelled videos from a
CSV in the folder, with the columns path, label, set and group, and the values of the shipped ``params.yaml``. For each
held-out group of a set, the other groups of that set are all that is looked at: trials of a fixed list are validated
on group folds among them, with several seeds; the best and the ensemble that :mod:`varml.training.ensemble` selects
are trained on all of them and answer on the held-out group. The baseline is logistic regression on the same features.
Late fusion weighs both streams alike here.

``--beyond`` adds ways by the names that ``--help`` gives. Some have other parts, on the same features: kinds of
attention and fusion, attentive pooling, stream dropout. Others train beyond these features: on whole frames or on three
crops both ways, on adapted backbones, on clips that change from epoch to epoch, the chosen one trained on end to end,
and an untuned network after TSN (one classifier on the mean over frames, RGB alone, all of an ImageNet backbone
trained). Those that see pixels in every epoch are trained with one seed, and take minutes for each group.

``--change views.num_crops=1`` puts another value into these params, for all that is measured.

What is done lies in ``--work`` and is not done again; ``--set`` and ``--folds 0-4`` choose a part.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.beyond_trials import WAYS, go_beyond
from benchmarks.changed_params import add_change, changed_params
from benchmarks.held_out import Answers, answer_group
from benchmarks.report import Figure, report
from benchmarks.stored import store
from benchmarks.ut_table import ROWS, markdown
from varml.config.space import apply_values
from varml.ground.engine import map_parallel
from varml.ground.progress import progress

GOALS = {"set1": 0.95, "set2": 0.90}


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    params = changed_params(arguments)
    rows = pd.read_csv(arguments.source / arguments.annotations)
    stored = store(arguments.source, rows, params, arguments.work)
    tasks = [(stored, name, group) for name, group in _groups(rows, arguments.set, arguments.folds)]
    done = map_parallel(answer_group, tasks, num_workers=arguments.workers)
    answers = list(progress(done, len(tasks), "held-out groups"))
    for name in arguments.beyond:
        store(arguments.source, rows, apply_values(params, WAYS[name].changes), arguments.work)
        answers = go_beyond(name, answers, stored, arguments.workers)
    text = markdown(answers, stored)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n", encoding="utf-8")
    report("UT-Interaction, one group left out", figures(answers), arguments.json)


def figures(answers: list[Answers]) -> list[Figure]:
    """Return top-1 of every way in every set; the last way that was measured has the goals."""
    found = []
    for name in sorted({answer.set for answer in answers}):
        of_set = [answer for answer in answers if answer.set == name]
        measured = [row for row in ROWS if all(row in answer.right for answer in of_set)]
        for row in measured:
            goal = GOALS.get(name) if row == measured[-1] else None
            top1 = sum(map(sum, (a.right[row] for a in of_set))) / sum(len(a.right[row]) for a in of_set)
            found.append(Figure(f"{name}: {row}", top1, "of clips", goal, at_least=True))
    return found


def _groups(rows: pd.DataFrame, only: str | None, folds: range | None) -> list[tuple[str, str]]:
    found = []
    for name in sorted(rows["set"].unique()):
        groups = sorted(rows.loc[rows["set"] == name, "group"].unique())
        found += [(name, groups[i]) for i in folds or range(len(groups)) if i < len(groups) and only in (None, name)]
    return found


def _folds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="folder of labelled videos")
    parser.add_argument("--annotations", required=True, help="CSV in that folder: path, label, set, group")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is stored and done")
    parser.add_argument("--set", help="one set alone")
    parser.add_argument("--folds", type=_folds, help="some held-out groups of a set, such as 0-4")
    add_change(parser)
    parser.add_argument("--beyond", nargs="*", choices=list(WAYS), default=[], help="ways beyond frozen features")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one a core")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--markdown", type=Path, help="file to write the table to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
