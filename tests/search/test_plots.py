"""The plots of a study: what is drawn, what is left out and why, and that it needs neither network nor display."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import optuna
import pytest
from PIL import Image
from studies import COMPLETE, FAIL, PRUNED, make_study

from varml.search.plots import log as plots
from varml.search.plots.kinds import plots_of
from varml.search.plots.log import draw_plots, log_plots, study_page
from varml.search.plots.png import draw_png
from varml.tracking.runs import create_run

MANY = [COMPLETE] * 8 + [PRUNED, FAIL] + [COMPLETE] * 8
NAMES = ["history", "importances", "slices-1", "slices-2", "parallel"]


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    return make_study(MANY)


@pytest.fixture(scope="module")
def drawn(study: optuna.Study) -> list[plots.Drawn]:
    return draw_plots(study, "top1", 0)


@pytest.fixture(scope="module")
def plain() -> optuna.Study:
    """Return a study of two trials in a space without dimensions."""
    study = optuna.create_study(direction="maximize")
    for value in (0.5, 0.6):
        study.tell(study.ask(), value)
    return study


def reasons(study: optuna.Study) -> dict[str, str | None]:
    return {one.plot.name: one.plot.reason for one in draw_plots(study, "top1", 0)}


# What is drawn.


def test_every_plot_is_drawn_in_both_ways(drawn: list[plots.Drawn]) -> None:
    assert [one.plot.name for one in drawn] == NAMES
    assert all(one.plot.reason is None and one.html for one in drawn)
    for one in drawn:
        picture = np.asarray(Image.open(io.BytesIO(one.png or b"")).convert("L"))
        assert picture.shape[0] > 300
        assert np.ptp(picture) > 200  # something is drawn


def test_the_page_has_plotly_once_and_fetches_nothing(study: optuna.Study, drawn: list[plots.Drawn]) -> None:
    page = study_page(study, drawn)
    assert page.count("plotly.js v") == 1
    # Plotly's own source names places that maps would be fetched from; no tag of the page fetches anything.
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*\s(?:src|href)=", page)
    assert page.index("plotly.js v") < page.index('id="history"') < page.index('id="parallel"')


def test_the_page_says_how_trials_ended_and_has_a_heading_for_each_plot(
    study: optuna.Study, drawn: list[plots.Drawn]
) -> None:
    page = study_page(study, drawn)
    assert "<p>18 trials: 16 complete, 1 pruned, 1 failed</p>" in page
    assert re.findall("<h2>(.*?)</h2>", page) == [
        "History of top1",
        "Importance of each dimension for top1",
        "top1 by each dimension alone",
        "All dimensions together",
    ]


def test_the_axes_have_whole_paths(drawn: list[plots.Drawn]) -> None:
    html = {one.plot.name: one.html or "" for one in drawn}
    for path in ("model.attention.depth", "model.attention.kind", "model.backbone", "model.fusion", "train.lr"):
        assert path in html["slices-1"] + html["slices-2"]
        # In lines, because it has no room in one; Optuna cuts it off.
        assert ".\\u003cbr\\u003e".join(path.split(".")) in html["parallel"]
    assert "model.attention.depth" in html["importances"]
    assert '..."' not in html["parallel"]


def test_whole_numbers_have_whole_ticks(drawn: list[plots.Drawn]) -> None:
    html = drawn[-1].html or ""
    ticks = set(re.findall(r'"text":"([^"]*)"', html))
    assert {"0", "3"} <= ticks
    assert not {"0.75", "1.5", "2.25"} & ticks


def test_the_importances_are_the_same_each_time_and_find_what_matters(study: optuna.Study) -> None:
    first, second = (plots_of(study, "top1", 0)[1].draw(optuna.visualization).data[0] for _ in range(2))
    assert first.x == second.x
    assert first.y[-1] == "model.fusion"  # the longest bar is the last one
    assert first.x[-1] > 0.8


def test_dimensions_that_only_some_trials_have_are_named(study: optuna.Study) -> None:
    plot = plots_of(study, "top1", 0)[1]
    assert plot.says.endswith("Left out, because only some trials have them: model.attention.kind.")
    assert "model.attention.kind" not in plot.draw(optuna.visualization).data[0].y


def test_two_objectives_have_a_front_and_plots_of_each() -> None:
    study = make_study(MANY, directions=("maximize", "minimize"))
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(["top1", "latency_ms"])
    drawn = draw_plots(study, "unused", 0)
    assert [one.plot.name for one in drawn] == [
        "pareto",
        *(f"{name}-{of}{part}" for of in ("top1", "latency_ms")
          for name, part in [("history", ""), ("importances", ""), ("slices", "-1"), ("slices", "-2")]),
        "parallel",
    ]  # fmt: skip
    assert all(one.plot.reason is None and one.png for one in drawn)
    important = plots_of(study, "unused", 0)[6].draw(optuna.visualization).data[0]
    assert important.y[-1] == "model.attention.depth"


# What is left out.


@pytest.mark.parametrize("states", [[], [PRUNED] * 3, [FAIL] * 3], ids=["no trial", "all pruned", "all failed"])
def test_a_study_without_a_complete_trial_has_a_page_of_reasons(states: list[optuna.trial.TrialState]) -> None:
    study = make_study(states)
    drawn = draw_plots(study, "top1", 0)
    assert {one.plot.reason for one in drawn} == {"no trial is complete"}
    page = study_page(study, drawn)
    assert page.count("Left out: no trial is complete.") == len(drawn) == 4
    assert "plotly" not in page


def test_one_complete_trial_has_no_importances() -> None:
    found = reasons(make_study([FAIL, COMPLETE]))
    assert found.pop("importances") == "there is one complete trial, and it takes two"
    assert set(found.values()) == {None}


def test_equal_values_have_no_importances() -> None:
    found = reasons(make_study([COMPLETE] * 4, constant=True))
    assert found.pop("importances") == "all complete trials have the same value"
    assert set(found.values()) == {None}


def test_a_space_without_dimensions_has_a_history_alone(plain: optuna.Study) -> None:
    none = "no dimension is in all complete trials"
    assert reasons(plain) == {"history": None, "importances": none, "slices": none, "parallel": none}


def test_a_plot_that_stumbles_is_left_out_alone(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object, **__: object) -> None:
        raise RuntimeError("a <new> version\nof plotly")

    monkeypatch.setattr(optuna.visualization, "plot_slice", stumble)
    drawn = draw_plots(study, "top1", 0)
    assert [one.plot.name for one in drawn if one.html is None] == ["slices-1", "slices-2"]
    assert all(one.png for one in drawn)  # matplotlib has no such fault
    assert "Left out: RuntimeError: a &lt;new&gt; version." in study_page(study, drawn)


# What it does around.


def test_the_styles_of_the_process_stay(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mpl.rcParams, "axes.facecolor", "red")
    draw_png(plots_of(study, "top1", 0)[0])
    assert mpl.rcParams["axes.facecolor"] == "red"


def test_nothing_is_loaded_before_it_is_drawn() -> None:
    code = "import sys, varml.search.plots.log; print([m for m in ('plotly', 'matplotlib') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_the_run_gets_the_page_and_the_pictures(plain: optuna.Study, project: Path) -> None:
    run = create_run("plots", "search", {})
    log_plots(plain, run, "top1", 0)
    found = {item.path for item in run.client.list_artifacts(run.run_id, "plots")}
    assert found == {"plots/search.html", "plots/history.png"}
