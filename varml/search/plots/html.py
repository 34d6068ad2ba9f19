"""A plot of a study as a part of an HTML page, by plotly; what Optuna leaves unreadable is mended."""

from __future__ import annotations

from typing import Any

from varml.search.plots.kinds import Axis, Plot

HEIGHT_PX = 430
BAR_PX = 40
# A value such as tf_efficientnet_lite0 stands left of its axis.
AXIS_PX = 130
AXES_HEIGHT_PX = 560


def draw_html(plot: Plot, script: bool) -> str:
    """Return ``plot`` as HTML; a page needs nothing from outside where its first plot brings plotly's ``script`` along.

    Raises what Optuna and plotly raise where they cannot draw it.
    """
    import optuna.visualization

    figure = plot.draw(optuna.visualization)
    # The page has the title as a heading.
    figure.update_layout(title=None, margin={"t": 30, "r": 30}, height=_height_px(figure), width=None)
    figure.for_each_xaxis(_mend_axis)
    if plot.axes:
        _mend_parallel(figure, plot.axes)
    # Without a name the id would be random.
    options = {"displaylogo": False, "responsive": True}
    return str(figure.to_html(full_html=False, include_plotlyjs=script, div_id=plot.name, config=options))


def _height_px(figure: Any) -> int:
    bars = [len(trace.y) for trace in figure.data if trace.type == "bar"]
    return max(HEIGHT_PX, BAR_PX * max(bars, default=0))


def _mend_axis(axis: Any) -> None:
    axis.update(automargin=True)
    if axis.type == "category" and axis.categoryarray:
        # Optuna shows choices as Python writes them.
        labels = [str(value).strip("'") for value in axis.categoryarray]
        axis.update(
            tickmode="array",
            tickvals=list(axis.categoryarray),
            ticktext=labels,
            tickangle=20,
            range=[-0.5, len(labels) - 0.5],
        )
    if axis.type == "log":
        axis.update(exponentformat="none")


def _mend_parallel(figure: Any, axes: Any) -> None:
    figure.update_xaxes(ticktext=[label_in_lines(axis.label, "<br>") for axis in axes])
    for trace in figure.data:
        if trace.customdata is not None:  # what is shown under the pointer
            trace.customdata = [[axis.label, said] for axis, (_, said) in zip(axes, trace.customdata, strict=True)]
    figure.update_layout(
        width=AXIS_PX * (len(axes) + 1),
        height=AXES_HEIGHT_PX,
        annotations=[_legible(one) for one in figure.layout.annotations if _is_apt(one, axes[int(one.x)])],
    )


def _is_apt(annotation: Any, axis: Axis) -> bool:
    # Optuna divides each range into four, also one of whole numbers.
    return not axis.whole or "." not in annotation.text


def _legible(annotation: Any) -> Any:
    return annotation.update(bgcolor="rgba(255, 255, 255, 0.8)", font={"size": 11, "color": "#222"})


def label_in_lines(path: str, end: str) -> str:
    """Return the dotted ``path`` with each of its parts in a line."""
    return f".{end}".join(path.split("."))
