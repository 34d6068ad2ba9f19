"""Words the answer of `varml predict`."""

from __future__ import annotations

import json
from pathlib import Path

from varml.data.names import to_text
from varml.inference.predictor import Prediction

NUM_SHOWN = 5


def describe(video: Path, prediction: Prediction, as_json: bool) -> str:
    """Return the answer for one video as text, or as one line of JSON."""
    shown = list(prediction.probabilities.items())[:NUM_SHOWN]
    if as_json:
        top5 = [{"label": label, "probability": p} for label, p in shown]
        answer = {
            "video": str(video),
            "label": prediction.label,
            "probability": prediction.probability,
            "top5": top5,
        }
        return json.dumps(answer)
    # Not every terminal takes bytes that are no UTF-8.
    return f"{to_text(str(video))}: {prediction.label}  ({', '.join(f'{label} {p:.3f}' for label, p in shown)})"
