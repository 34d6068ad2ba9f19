"""A plot of a study as a png, by matplotlib without a display; what Optuna leaves unreadable is mended."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from varml.search.plots.html import label_in_lines
from varml.search.plots.kinds import Axis, Plot

DPI = 110
# A value such as tf_efficientnet_lite0 stands right of its axis.
AXIS_INCH, AXES_HEIGHT_INCH = 2.0, 5.6
BAR_INCH, MIN_HEIGHT_INCH = 0.4, 4.8
SLICE_INCH = 4.4


def draw_png(plot: Plot) -> bytes:
    """Return ``plot`` as a png; raises what Optuna and matplotlib raise where they cannot draw it."""
    import matplotlib

    # Whatever display there may be: nothing is shown.
    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    import optuna.visualization.matplotlib

    # Optuna sets a style for the whole process.
    with plt.rc_context():
        try:
            drawn = plot.draw(optuna.visualization.matplotlib)
            figure = plt.gcf()
            _mend(figure, list(np.ravel(drawn)), plot)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight")
        finally:
            plt.close("all")
    return buffer.getvalue()


def _mend(figure: Any, panels: list[Any], plot: Plot) -> None:
    if plot.axes:
        _mend_parallel(figure, panels[0], plot.axes)
    for panel in panels:
        _mend_categories(panel)
        if panel.get_xscale() == "log":
            _mend_logarithm(panel.xaxis)
        _mend_bars(figure, panel)
        panel.set_title("")
    if len(panels) > 1:
        figure.set_figwidth(SLICE_INCH * len(panels))
        figure.suptitle(plot.title)
    else:
        panels[0].set_title(plot.title, loc="left", pad=14)
    for scale in figure.axes:
        if scale.get_ylabel() == "Trial":
            scale.yaxis.get_major_locator().set_params(integer=True)


def _mend_categories(panel: Any) -> None:
    from matplotlib.category import UnitData

    units = panel.xaxis.units
    if isinstance(units, UnitData):
        # Optuna shows choices as Python writes them, side by side whatever their length.
        labels = [label.strip("'") for label in units._mapping]
        panel.set_xticks(range(len(labels)), labels, rotation=25, ha="right", rotation_mode="anchor")
        panel.set_xlim(-0.5, len(labels) - 0.5)


def _mend_bars(figure: Any, panel: Any) -> None:
    if panel.containers:
        figure.set_figheight(max(MIN_HEIGHT_INCH, BAR_INCH * len(panel.patches)))
        # It says no more than the title does, and lies on the lowest bar.
        panel.get_legend().remove()


def _mend_parallel(figure: Any, panel: Any, axes: Any) -> None:
    figure.set_size_inches(AXIS_INCH * (len(axes) + 1), AXES_HEIGHT_INCH)
    panel.set_xticks(range(len(axes)), [label_in_lines(axis.label, "\n") for axis in axes], rotation=0)
    twins = [other for other in figure.axes if other is not panel and other.get_label() != "<colorbar>"]
    for twin, axis in zip(twins, axes[1:], strict=True):
        _mend_twin(twin, axis)


def _mend_twin(twin: Any, axis: Axis) -> None:
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator

    if twin.get_yscale() == "log":
        _mend_logarithm(twin.yaxis)
    elif axis.whole:
        twin.yaxis.set_major_locator(MaxNLocator(integer=True))
    for label in twin.get_yticklabels():
        label.set_path_effects([withStroke(linewidth=3, foreground="white")])


def _mend_logarithm(axis: Any) -> None:
    # As many labels as there is room for, also within one decade, where matplotlib would label every ninth of it.
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")
    if axis.axis_name == "x":
        axis.set_tick_params(rotation=25)
