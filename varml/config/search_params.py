"""The types and ranges of the section ``search`` of params.yaml."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from varml.config.objectives import LATENCY, objectives_fault
from varml.config.part import Part
from varml.config.section import Section


class Confirm(Section):
    """End-to-end training of the best trials, for the order that frozen features give need not be the final one."""

    top_k: int = Field(default=0, ge=0, description="so many of the best trials, and the best of each fusion; 0: none")
    num_folds: int | None = Field(default=1, ge=0, description="of the search's folds, the first ones; null or 0: all")
    timeout_sec: float | None = Field(default=None, gt=0, description="of one training; null: no limit")
    memory_mb: int | None = Field(default=None, ge=512, description="resident, of one training; null: no limit")
    space: dict[str, Any] = Field(default={}, description="choices of end-to-end values; each combination is tried")


class Search(Section):
    """The study."""

    num_trials: int = Field(ge=1, description="a total: a study that has them does nothing")
    timeout_sec: float | None = Field(None, gt=0, description="after so long no other trial begins; null: no limit")
    num_workers: int = Field(1, ge=1, description="processes of this machine that run trials at the same time")
    max_failed_fraction: float = Field(0.5, ge=0, le=1, description="of num_trials: more that fail end the search")
    sampler: Part
    pruner: Part
    objectives: list[str] = Field(description="the metric that is maximised, and latency_ms where it is weighed too")
    latency_budget_ms: float | None = Field(None, gt=0, description="of what is served; null: no limit")
    validation: Literal["folds", "val"]
    num_folds: int = Field(ge=2, le=20)
    num_ranked: int = Field(ge=1, description="how many of the best trials best.yaml names")
    space: dict[str, Any]
    confirm: Confirm = Confirm()

    @model_validator(mode="after")
    def _there_are_as_many_folds(self) -> Search:
        if (self.confirm.num_folds or 0) > self.num_folds:
            raise ValueError(
                f"confirm.num_folds must be at most num_folds, {self.num_folds}, or null for all; it is "
                f"{self.confirm.num_folds}"
            )
        return self

    @property
    def metric(self) -> str:
        """The metric that is maximised, by its name or ``auto``."""
        return self.objectives[0]

    @property
    def weighs_latency(self) -> bool:
        """Whether trials are told apart by their latency too."""
        return LATENCY in self.objectives

    @field_validator("objectives")
    @classmethod
    def _are_a_metric_and_perhaps_latency(cls, objectives: list[str]) -> list[str]:
        fault = objectives_fault(objectives)
        if fault:
            raise ValueError(fault)
        return objectives

    @model_validator(mode="after")
    def _a_budget_is_searched_for(self) -> Search:
        if self.latency_budget_ms is not None and not self.weighs_latency:
            raise ValueError(
                f"latency_budget_ms, {self.latency_budget_ms:g}, needs {LATENCY} among the objectives, for else fast "
                f"trials are stopped where slow ones are better; write objectives: [{self.metric}, {LATENCY}], or null"
            )
        return self
