"""The shapes of replies: answers as MLflow's scoring server gives them, and refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from varml.inference.predictor import Prediction
from varml.serving.refusals import Refusal


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a reply of JSON."""
    text = json.dumps(content, allow_nan=False)
    return Response(text, status, headers, media_type="application/json")


def answered(predictions: Sequence[Prediction]) -> Response:
    """Return ``{"predictions": [{"label": ..., "probabilities": {class: probability}}]}``, most probable first."""
    rows = [{"label": one.label, "probabilities": one.probabilities} for one in predictions]
    return as_json({"predictions": rows})


def refused(refusal: Refusal, request_id: str) -> Response:
    """Return ``{"error": the reason, "request_id": ...}``."""
    return as_json({"error": refusal.reason, "request_id": request_id}, refusal.status, refusal.headers)
