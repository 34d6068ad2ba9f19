"""The confusion matrix as a table for DVC and as a picture for MLflow."""

from __future__ import annotations

from typing import Any

import pandas as pd


def confusion_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return ``actual`` and ``predicted`` of each video, as DVC's confusion template reads them."""
    return pd.DataFrame({"actual": predictions["label"], "predicted": predictions["predicted"]})


def confusion_figure(predictions: pd.DataFrame, classes: list[str]) -> Any:
    """Return a matplotlib figure of the confusion matrix, counts in the cells, true classes down the side."""
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay

    side_inch = 3 + 0.45 * len(classes)
    figure = Figure(figsize=(side_inch + 1, side_inch), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        predictions["label"], predictions["predicted"], labels=classes,
        ax=figure.add_subplot(), xticks_rotation="vertical", cmap="Blues", colorbar=False,
    )  # fmt: skip
    return figure
