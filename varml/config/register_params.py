"""The types and ranges of the section ``register`` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from varml.config.section import Section


class Gate(Section):
    """What a model must show on the test videos before it takes the champion's place; null: anything will do."""

    metric: Literal["top1", "mean_class_accuracy", "macro_f1"] = "top1"
    min_gain: float = Field(
        default=0.0, ge=-1, le=1, description="of the metric over the champion's, on the same videos"
    )
    confidence: float = Field(default=0.5, ge=0, lt=1, description="share of bootstrap samples with at least that gain")
    min_class_accuracy: float | None = Field(
        default=0.2, gt=0, le=1, description="of each class, if the champion has more"
    )
    latency_budget_ms: float | None = Field(default=None, gt=0, description="from stored frames to the answer")
    max_ece: float | None = Field(default=0.3, gt=0, le=1, description="expected calibration error")


class Register(Section):
    """The MLflow registry."""

    experiment: str = Field(min_length=1)
    model_name: str = Field(min_length=1, pattern=r"""^[^/:'"]+$""")
    promote: Literal["manual", "auto"] = Field(default="manual", description="who asks the gate: you, or the pipeline")
    gate: Gate = Gate()
