"""What the terminal says of a search: a line for each trial that has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from varml.search.shared_study import SharedStudy
from varml.search.study import outcome_of, ranked_trials


@dataclass
class Reporter:
    """Says which trials have ended since it last looked, whoever ran them, and has them written."""

    shared: SharedStudy
    write: Callable[[], None] = lambda: None
    said: set[int] | None = None

    def __call__(self) -> None:
        ended = self.shared.ended()
        if self.said is None:
            self.said = {trial.number for trial in ended}
        new = [trial for trial in ended if trial.number not in self.said]
        for trial in new:
            self.said.add(trial.number)
            print(self._line(trial), flush=True)
        self.write()

    def _line(self, ended: FrozenTrial) -> str:
        best = ranked_trials(self.shared.study)
        values = ", ".join(f"{k.rsplit('.', 1)[-1]} {_short(v)}" for k, v in ended.params.items())
        top = f"{best[0].value:.3f}" if best else "none"
        total = max(len(self.said or ()), self.shared.num_trials)
        return f"trial {len(self.said or ())}/{total}: {outcome_of(ended)} (best {top}) {values}"


def _short(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)
