"""What a trial's figure depends on beside its own values: trials on equal terms may stand in one study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Values = dict[str, Any]  # by params path


@dataclass(frozen=True)
class Terms:
    """The terms of a study.

    ``evaluation`` stands for all that every trial depends on: videos, labels, folds, metric, seed, pruner.
    ``features`` stands, by backbone, for what trials see of the videos. ``base`` are the values of params.yaml for all
    that a space may vary: a trial has those that its space does not name.
    """

    evaluation: str
    features: dict[str, str]
    base: Values

    def values_under(self, other: Terms, values: Values) -> Values | None:
        """Return all that a trial with ``values`` under ``other`` terms had, or None where its figure is none of ours.

        That is so where it was evaluated otherwise, or saw its backbone's features otherwise.
        """
        had = {**other.base, **values}
        backbone = had["model.backbone"]
        saw_the_same = backbone in self.features and other.features.get(backbone) == self.features[backbone]
        return had if other.evaluation == self.evaluation and saw_the_same else None
