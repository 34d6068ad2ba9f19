"""The best of N trials by the default sampler, with its first wave, against N that are drawn at random.

Both search the same space on the same folds; a seed makes other folds, other first weights and other draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.report import Figure
from benchmarks.search_project import extracted_project, run_search, study_folder
from varml.ground.progress import progress

# The values of search.sampler, and what each needs of benchmarks.search_stage.
SAMPLERS: dict[str, list[str]] = {"tpe": [], "random": ["--all-drawn"]}
Curves = dict[str, npt.NDArray[np.float64]]  # by sampler, (seeds, trials), the best value so far


@dataclass(frozen=True)
class Data:
    """Labelled videos: ``source`` and ``annotations`` as params.yaml has them."""

    name: str
    source: str
    annotations: str | None = None


def measure_quality(
    data: Data, work: Path, seeds: Sequence[int], num_trials: int, num_workers: int, pictures: Path
) -> list[Figure]:
    """Return the best values by each sampler, mean over ``seeds``; the curves of regret go to ``pictures``.

    ``num_workers`` studies run side by side, each on one thread. What is in ``work`` is not done again.
    """
    project, _ = extracted_project((work / data.name / "project").resolve(), data.source, data.annotations, {})
    pairs = list(product(seeds, SAMPLERS))
    with ThreadPoolExecutor(num_workers) as pool:
        folders = [work.resolve() / data.name / f"{sampler}-seed{seed}" for seed, sampler in pairs]
        done = pool.map(lambda pair, folder: _search(project, pair[0], pair[1], folder, num_trials), pairs, folders)
        list(progress(done, len(pairs), f"{data.name}: studies", unit="study"))
    curves = {
        sampler: np.stack([best_so_far(folder, num_trials) for (_, of), folder in zip(pairs, folders, strict=True)
                           if of == sampler])
        for sampler in SAMPLERS
    }  # fmt: skip
    draw_regret(data.name, regrets(curves), pictures / f"search_regret_{data.name}.png")
    return quality_figures(f"{data.name}, {len(seeds)} seeds", curves)


def quality_figures(name: str, curves: Curves) -> list[Figure]:
    """Return the mean best value by each sampler after all trials, and how much better the default is."""
    best = {sampler: curve[:, -1] for sampler, curve in curves.items()}
    difference = best["tpe"] - best["random"]
    num_trials = curves["tpe"].shape[1]
    return [
        *(
            Figure(f"{name}: best of {num_trials}, {sampler}", float(values.mean()), "")
            for sampler, values in best.items()
        ),
        Figure(f"{name}: default minus random, mean", float(difference.mean()), "", 0.0, at_least=True),
        Figure(f"{name}: default minus random, worst seed", float(difference.min()), ""),
        Figure(f"{name}: default minus random, best seed", float(difference.max()), ""),
    ]


def regrets(curves: Curves) -> Curves:
    """Return how far each curve is below the best that any sampler found with the same seed."""
    best = np.max([curve[:, -1] for curve in curves.values()], axis=0)
    return {sampler: best[:, None] - curve for sampler, curve in curves.items()}


def best_so_far(folder: Path, num_trials: int) -> npt.NDArray[np.float64]:
    """Return the best value after each of the first trials of a study (trials,); 0 before the first complete one."""
    table = pd.read_csv(folder / "search" / "trials.csv").sort_values("number")
    values = table["value"].where(table["state"] == "COMPLETE", 0.0).to_numpy(dtype=np.float64)
    return np.maximum.accumulate(values[:num_trials])


def draw_regret(name: str, regret: Curves, target: Path) -> None:
    """Draw the mean over seeds of each sampler's regret by trial, with the range of the seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import MaxNLocator

    figure = Canvas(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.add_subplot()
    for sampler, curve in regret.items():
        trials = np.arange(1, curve.shape[1] + 1)
        (line,) = panel.step(trials, curve.mean(0), where="post", label=sampler)
        panel.fill_between(trials, curve.min(0), curve.max(0), step="post", alpha=0.15, color=line.get_color())
    panel.set(xlabel="trials", ylabel="below the best found", title=f"{name}: mean and range of {len(curve)} seeds")
    panel.set_ylim(bottom=0)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend()
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)


def _search(project: Path, seed: int, sampler: str, folder: Path, num_trials: int) -> None:
    if (folder / "search" / "trials.csv").exists() and len(best_so_far(folder, num_trials)) >= num_trials:
        return
    values = {"seed": seed, "search.sampler": sampler, "search.num_trials": num_trials, "engine.num_workers": 1}
    run_search(study_folder(project, folder, values), *SAMPLERS[sampler], threads=1)
