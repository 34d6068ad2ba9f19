"""What competes to be served: trials, and what they become when they are trained end to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from varml.search.study import FITTED, LOSS, value_of
from varml.search.terms import Values


@dataclass(frozen=True)
class Candidate:
    """A trial by its number and its values, the metric of the search and the log loss of what it says out of fold.

    ``fitted`` is what was fitted on that, by the name of the fusion's buffer. One that was confirmed, trained end to
    end, has a ``cached_value``: what its trial on cached features is worth on the same videos.
    """

    trial: int
    params: Values
    value: float
    log_loss: float
    fitted: Mapping[str, float] = field(default_factory=dict)
    cached_value: float | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether it is trained end to end."""
        return self.cached_value is not None

    @property
    def rank(self) -> tuple[float, float, bool, int]:
        """What orders candidates, best first: value, loss; of equal ones the cheaper training, then the earlier."""
        return -self.value, self.log_loss, self.is_confirmed, self.trial


def candidate_of(trial: FrozenTrial) -> Candidate:
    """Return a complete trial as it was validated."""
    attributes = trial.user_attrs
    return Candidate(
        trial.number, dict(trial.params), value_of(trial), float(attributes[LOSS]), attributes.get(FITTED) or {}
    )
