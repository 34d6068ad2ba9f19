"""What a study looks like: a page that opens without a network, and a png of each of its plots, in the parent run."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TypeVar

import optuna
from optuna.trial import TrialState

from varml.errors import first_line
from varml.search.plots.html import draw_html
from varml.search.plots.kinds import Plot, plots_of
from varml.search.plots.png import draw_png
from varml.search.study import ended_trials
from varml.tracking.runs import TrackedRun

FOLDER = "plots"
PAGE = "search.html"
WORDS = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
T = TypeVar("T")
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font-family: sans-serif; margin: 2em; max-width: 80em }}
.plot {{ overflow-x: auto }}
.reason {{ color: #777 }}
</style></head><body>
<h1>{title}</h1>
<p>{summary}</p>
{plots}
</body></html>
"""


@dataclass(frozen=True)
class Drawn:
    """What is seen of a plot; ``html`` and ``png`` are None where it has a ``reason`` not to be there."""

    plot: Plot
    html: str | None
    png: bytes | None

    @property
    def section(self) -> str:
        """The plot in a page, with its heading."""
        plot = self.plot
        heading = "" if plot.goes_on else f"<h2>{escape(plot.title)}</h2>\n<p>{escape(plot.says)}</p>\n"
        if self.html is not None:
            return f'{heading}<div class="plot">{self.html}</div>'
        return f'{heading}<p class="reason">Left out: {escape(plot.reason or "")}.</p>'


def log_plots(study: optuna.Study, parent: TrackedRun, metric: str, seed: int) -> None:
    """Put the plots of ``study`` among the artifacts of its run, in the folder :data:`FOLDER`.

    ``metric`` names its value; ``seed`` is of the importances. A plot that cannot be drawn ends no search: the page
    says why it is not there.
    """
    drawn = draw_plots(study, metric, seed)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / PAGE
        page.write_text(study_page(study, drawn), encoding="utf-8")
        for one in drawn:
            if one.png is not None:
                (Path(folder) / f"{one.plot.name}.png").write_bytes(one.png)
        for file in sorted(Path(folder).iterdir()):
            parent.log_artifact(file, FOLDER)


def draw_plots(study: optuna.Study, metric: str, seed: int) -> list[Drawn]:
    """Return all plots of ``study``, drawn or with the reason why not."""
    drawn: list[Drawn] = []
    with _quiet():
        for plot in plots_of(study, metric, seed):
            # Plotly itself, 4.8 MB, comes once, with the first that needs it.
            script = all(one.html is None for one in drawn)
            drawn.append(_draw(plot, script))
    return drawn


def study_page(study: optuna.Study, drawn: list[Drawn]) -> str:
    """Return an HTML page of its own: how the trials ended, and one plot under the other."""
    trials = ended_trials(study)
    states = Counter(trial.state for trial in trials)
    ended = ", ".join(f"{states[state]} {word}" for state, word in WORDS.items() if states[state])
    return _PAGE.format(
        title=escape(f"Search {study.study_name}"),
        summary=escape(f"{len(trials)} trials" + (f": {ended}" if ended else "")),
        plots="\n".join(one.section for one in drawn),
    )


def _draw(plot: Plot, script: bool) -> Drawn:
    if plot.reason is not None:
        return Drawn(plot, None, None)
    html, why_no_html = _tried(lambda: draw_html(plot, script))
    png, why_no_png = _tried(lambda: draw_png(plot))
    return Drawn(replace(plot, reason=why_no_html or why_no_png), html, png)


def _tried(draw: Callable[[], T]) -> tuple[T | None, str | None]:
    try:
        return draw(), None
    except Exception as error:  # whatever a plot stumbles over, the search has its trials
        return None, f"{type(error).__name__}: {first_line(error)}"


@contextmanager
def _quiet() -> Iterator[None]:
    # Optuna calls its matplotlib plots experimental, and tells of each study in which something is all alike.
    level = logging.getLogger("optuna").level
    logging.getLogger("optuna").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.getLogger("optuna").setLevel(level)
