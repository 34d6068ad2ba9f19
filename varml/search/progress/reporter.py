"""What is told of a search while it runs, whoever runs its trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from varml.search.parallel.shared_study import SharedStudy
from varml.search.progress.trial_words import outcome_of, short_values
from varml.search.progress.watch import Watch
from varml.search.study import value_of


@dataclass
class Reporter:
    """Says, each time it is called, which trials have ended since the last time, and has them written."""

    shared: SharedStudy
    watch: Watch
    write: Callable[[], None] = lambda: None
    said: set[int] | None = None

    def __call__(self) -> None:
        """Look at the study."""
        ended = self.shared.ended()
        if self.said is None:
            self.said = {trial.number for trial in ended}
        for trial in ended:
            if trial.number not in self.said:
                self.said.add(trial.number)
                self.watch.say(self._line(trial, len(self.said)))
        running = self.shared.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        self.watch.show([*ended, *running])
        self.write()

    def _line(self, trial: FrozenTrial, count: int) -> str:
        best = self.shared.ranked()
        top = f"{value_of(best[0]):.3f}" if best else "none"
        total = max(count, self.shared.num_trials)
        return f"trial {count}/{total}: {outcome_of(trial)} (best {top}) {short_values(trial)}"
